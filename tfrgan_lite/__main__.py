"""The command line: mix, train, evaluate."""

import json
import sys
import warnings
from pathlib import Path

import click

from .config import PRESETS
from .config import preset as preset_called
from .errors import UserError
from .labels import STYLES
from .variants import ABLATIONS, KINDS, MIXERS

FOLDER = click.Path(path_type=Path)


@click.group(no_args_is_help=False)
def cli() -> None:
    """TFR-GAN lite: mix a folder of stems, train a generator, measure it."""


@cli.command()
@click.argument("stems", type=FOLDER)
@click.option("--style", required=True, help=f"One of {', '.join(STYLES)}.")
@click.option("--out", required=True, type=FOLDER, help="File of the mix; its suffix sets the format.")
@click.option("--seed", default=0, show_default=True, help="Another seed is another take.")
@click.option("--samples", default=1, show_default=True, help="Several takes: mix-1.wav, mix-2.wav, ... for mix.wav.")
@click.option("--stems-out", type=FOLDER, help="Folder for the wet stems, one WAV a track; of takes: 1, 2, ... in it.")
@click.option("--console", type=FOLDER, help="JSON file for the settings: gain, pan, send and bands of each track.")
@click.option("--weights", type=FOLDER, help="A generator.safetensors of yours in place of the shipped one.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
def mix(
    stems: Path,
    style: str,
    out: Path,
    seed: int,
    samples: int,
    stems_out: Path | None,
    console: Path | None,
    weights: Path | None,
    force: bool,
) -> None:
    """Mix the folder STEMS: one audio file a track, named by what plays, such as drums.wav or lead vocal.mp3."""
    from .generator import Generator
    from .mixdown import mix_folder

    generator = Generator.from_pretrained(weights) if weights else None
    progress = sys.stderr.isatty()
    mixed = mix_folder(stems, style, out, seed, samples, stems_out, console, generator, force, progress)
    tracks = ", ".join(f"{name} ({role})" for name, role in zip(mixed.names, mixed.roles, strict=True))
    for file in mixed.files:
        click.echo(f"{file}: {mixed.seconds:.1f} s at {mixed.sample_rate} Hz from {tracks}")


@cli.command()
@click.option("--preset", "name", help=f"One of {', '.join(PRESETS)}; else TFRGAN_PRESET, else by device.")
@click.option("--out", required=True, type=FOLDER, help="Folder for the checkpoint and the trained generator.")
@click.option("--resume", is_flag=True, help="Continue the checkpoint in that folder.")
@click.option("--seed", default=0, show_default=True, help="Of weights, batches and noise.")
@click.option(
    "--variant", help="Train a variant, as no-adversary, in OUT/VARIANT/SEED; evaluate --trained OUT judges it."
)
@click.option("--steps", type=click.IntRange(1), help="In place of the preset's.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="In place of the preset's.")
@click.option("--no-judging", is_flag=True, help="Leave out the measurement at the end, as for a variant.")
@click.option("--cache", type=FOLDER, help="Folder for the songs; else TFRGAN_CACHE, else the user's cache folder.")
@click.option("--cache-gib", type=float, help="Most GiB in it; else TFRGAN_CACHE_GIB, else 10. 0: songs in memory.")
def train(
    name: str | None,
    out: Path,
    resume: bool,
    seed: int,
    variant: str | None,
    steps: int | None,
    learning_rate: float | None,
    no_judging: bool,
    cache: Path | None,
    cache_gib: float | None,
) -> None:
    """Train a generator on studio songs, measure it on held-out songs, and write it with its card.

    With several processes, as by accelerate launch -m tfrgan_lite train, each trains on its share of every batch.
    """
    from .cache import Cache
    from .evaluate import card, table
    from .evaluate import evaluate as measure
    from .files import written_whole
    from .generator import Generator
    from .trials import card_of, place_of, save, train_variant, weights_name
    from .variants import SUBJECT

    config = preset_called(name, seed=seed, **({"learning_rate": learning_rate} if learning_rate else {}))
    place, judging = (place_of(out, variant, seed), False) if variant else (out, not no_judging)
    variant = variant or SUBJECT
    weights = place / weights_name(variant)
    there = [file for file in (weights, place / "CARD.md") if file.exists()]
    if there and not resume:
        raise UserError(f"{there[0]}: exists already; choose another folder, or pass --resume to go on")
    model = train_variant(variant, config, place, steps, resume, cache=Cache(cache, cache_gib))
    if model is None:  # another process has it
        return
    if judging and isinstance(model, Generator):
        model.card = measure(model, config) | card_of(model)  # type: ignore[assignment]
        click.echo(table(card_of(model)))
    save(model, weights)
    with written_whole(place / "CARD.md") as temporary:
        temporary.write_text(card(card_of(model)))
    click.echo(f"{weights}: trained for {card_of(model)['training']['steps']} steps")


@cli.command()
@click.option("--preset", "name", help=f"One of {', '.join(PRESETS)}: whose held-out songs.")
@click.option("--out", required=True, type=FOLDER, help="JSON file for the measurements.")
@click.option("--weights", type=FOLDER, help="A generator.safetensors of yours in place of the shipped one.")
@click.option(
    "--trained", type=FOLDER, help="Folder of variants that train --variant wrote, in place of one generator."
)
@click.option(
    "--rows",
    type=click.Choice(KINDS),
    default=MIXERS,
    show_default=True,
    help="What is compared: mixers beside the rules, ablations with the whole, or the generator with its noise drawn"
    " more and less widely, and trained with other weights of the loss.",
)
@click.option("--songs", type=click.IntRange(2), help="How many held-out songs, in place of the preset's.")
@click.option("--page", type=FOLDER, help="Markdown file to write from all JSON files beside OUT, as book/results.md.")
@click.option("--force", is_flag=True, help="Replace the files if they exist.")
def evaluate(
    name: str | None,
    out: Path,
    weights: Path | None,
    trained: Path | None,
    rows: str,
    songs: int | None,
    page: Path | None,
    force: bool,
) -> None:
    """Measure a trained generator, rules and engineers on held-out songs; write the numbers with their provenance."""
    from .evaluate import compare, table
    from .files import ensure_free, written_whole
    from .generator import WEIGHTS
    from .page import figures, results_page
    from .report import bars_table
    from .trials import single
    from .trials import trained as trained_in

    if weights and trained:
        raise UserError("--weights, --trained: one generator or a folder of variants; leave one of them out")
    if rows == ABLATIONS and not trained:
        raise UserError("--rows ablations: needs variants; name the folder that holds them with --trained")
    config = preset_called(name, **({"held_out": songs} if songs else {}))
    for file in filter(None, (out, page)):
        ensure_free(file, force)
    found = trained_in(trained, rows) if trained else single(weights or WEIGHTS, rows)
    results = compare(found, rows, config)
    with written_whole(out) as temporary:
        temporary.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")
    for file, text in {page: results_page(out.parent, page), **figures(out.parent)}.items() if page else ():
        with written_whole(file) as temporary:
            temporary.write_text(text, encoding="utf-8")
    click.echo(f"{table(results)}\n\n{bars_table(results['bars'])}")


def main() -> None:
    """Run the command line. What a user can mend is said in one line on standard error, exit code 2; so is a warning,
    which does not end it.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: click.echo(
                f"warning: {' '.join(str(message).split())}", err=True
            )
            sys.exit(cli.main(prog_name="tfrgan_lite", standalone_mode=False))
    except UserError as error:
        message = str(error)
    except click.ClickException as error:
        message = f"{error.format_message()} See python -m tfrgan_lite --help."
    except (click.Abort, KeyboardInterrupt):
        message = "stopped"
    click.echo("error: " + " ".join(message.split()), err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
