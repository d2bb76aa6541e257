"""What Transformers replaced: an LSTM that reads tokens one after the other (Hochreiter and Schmidhuber 1997).

Chapter 05.
"""

from math import sqrt

from torch import Tensor, nn


class LSTMOverTime(nn.Module):
    """In the place of attention over time, with about as many weights: 4 d_model².

    Args:
        d_model: width of a token.
        causal: one LSTM goes forward; else two go, forward and backward (Schuster and Paliwal 1997), each narrower.
    """

    def __init__(self, d_model: int, causal: bool):
        super().__init__()
        # Weights, h being the width of a state, D directions, d tokens: D (4 (d h + h²) + h d) = 4 d², solved for h.
        directions = 1 if causal else 2
        width = max(1, round(d_model * (sqrt(25 + 64 / directions) - 5) / 8))
        self.causal = causal
        self.lstm = nn.LSTM(d_model, width, batch_first=True, bidirectional=not causal)
        self.out = nn.Linear(directions * width, d_model)

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        """x (batch, T, d_model) -> (batch, T, d_model).

        Raises ValueError if asked to be causal and built to go both ways, or the other way round.
        """
        if causal != self.causal:
            raise ValueError(f"causal: built with {self.causal}, called with {causal}")
        return self.out(self.lstm(x)[0])
