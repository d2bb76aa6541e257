"""One TFR layer against torch's: forward and backward at the same width, in one run, as a ratio (median over
repeats).
"""

import statistics
import time

import torch

from tfrgan_lite.transformer import TFREncoderLayer

BATCH, TRACKS, TOKENS, D_MODEL, HEADS, LATENT, REPEATS = 8, 5, 64, 128, 4, 32, 30


def seconds(step) -> float:
    """Wall time of one call, the GPU's work included."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    """Print the two medians and their ratio."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    ours = TFREncoderLayer(D_MODEL, HEADS, LATENT).to(device)
    theirs = torch.nn.TransformerEncoderLayer(
        D_MODEL, HEADS, 4 * D_MODEL, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).to(device)
    x = torch.randn(BATCH, TRACKS, TOKENS, D_MODEL, device=device)
    present = torch.ones(BATCH, TRACKS, dtype=torch.bool, device=device)

    def tfr():
        y, kl = ours(x, present)
        (y.square().mean() + kl.mean()).backward()

    def torch_layer():
        theirs(x.flatten(0, 1)).square().mean().backward()

    times = {"TFR layer": [], "torch.nn.TransformerEncoderLayer": []}
    for repeat in range(REPEATS + 3):
        for name, step in zip(times, (tfr, torch_layer), strict=True):  # alternating, so that both meet the same load
            took = seconds(step)
            if repeat >= 3:  # warm
                times[name].append(took)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:34} {1000 * value:8.2f} ms forward and backward")
    ratio = medians["TFR layer"] / medians["torch.nn.TransformerEncoderLayer"]
    print(f"ratio {ratio:.2f}: the TFR layer adds attention across {TRACKS} tracks and a β-VAE module")
    size = f"{BATCH} songs x {TRACKS} tracks x {TOKENS} tokens, width {D_MODEL}"
    print(f"{size}, {device}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
