"""The recipes of the styles: tempo, harmony, grooves, and who may play.

They are written in the short hand of `notation`, as a musician would on the back of an envelope.
"""

from .notation import Part, Style

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
HALVES, BEATS, PUSHED = "0:2 2:2", "0:.9 1:.9 2:.9 3:.9", "0:1.4 1.5:1.4 3:.9"
PULSE = "0:.45 .5:.45 1:.45 1.5:.45 2:.45 2.5:.45 3:.45 3.5:.45"
OCTAVES = "0:.4 .5:.4+12 1:.4 1.5:.4+12 2:.4 2.5:.4+12 3:.4 3.5:.4+12"
GALLOP = " ".join(f"{beat}.25:.22 {beat}.5:.22+12 {beat}.75:.22" for beat in range(4))
PERCUSSION = Part("percussion", "other", "percussion", ("percussion",))
BACKING = Part("backing voices", "voice", "hold", ("aahs", "oohs"))

RECIPES = {
    "pop": Style(
        tempo=(92, 126),
        swing=(0.5, 0.5),
        loose=5,
        scale=MAJOR,
        chord_beats=4,
        progressions=(
            ("vi IV I V", "I V vi IV"),
            ("I vi IV V", "IV V I vi"),
            ("I iii IV V", "IV V iii vi"),
            ("I Vsus vi IV", "IV I V vi"),
        ),
        grooves=(
            (
                "kick x.....x.x.......  side ....x.......x...  hat x.o.x.o.x.o.x.o.",
                "kick x..x..x.x..x....  snare ....x.......x..-  open x...x...x...x...  hat ..o...o...o...o.",
            ),
            (
                "kick x...x...x...x...  clap ....x.......x...  hat ..o...o...o...o.",
                "kick x...x...x...x...  snare ....x.......x...  open ..x...x...x...x.  hat xo.oxo.oxo.oxo.o",
            ),
            (
                "kick x.........x.....  snare ....x.......x...  hat xoxoxoxoxoxoxoxo",
                "kick x..x..x...x..x..  snare ....x..-.-..x..o  ride x.o.x.o.x.o.x.o.",
            ),
        ),
        bass=(("0:1.9 2:1.4 3.5:.45+7", "0:1.4 1.5:.45 2:1.4 3.5:.45+12"), ("0:3 3:.9+7", PULSE)),
        comp=(("0:4", BEATS), (HALVES, PUSHED), (PUSHED, BEATS)),
        melody=(".5 .5 1 .5 .5 1", "1 .5 .5 1.5 -.5", "-.5 .5 .5 .5 1 1", "1.5 1.5 1"),
        small=(
            "keys, voice",
            "acoustic guitar, voice",
            "drums, keys",
            "keys, bass, voice",
            "drums, bass, voice",
            "drums, acoustic guitar, voice",
        ),
        core=(
            Part("drums", "drums", "drums", ("standard kit", "room kit", "electronic kit")),
            Part("bass", "bass", "bass", ("fingered bass", "picked bass", "synth bass")),
            Part("keys", "keys", "comp", ("piano", "electric piano")),
            Part("voice", "voice", "melody", ("lead voice", "oohs")),
        ),
        extras=(
            Part("acoustic guitar", "guitar", "strum", ("steel guitar",)),
            Part("electric guitar", "guitar", "arpeggio", ("clean guitar",)),
            Part("strings", "strings", "hold", ("strings", "synth strings")),
            Part("lead", "lead", "counter", ("flute", "square lead", "saw lead")),
            BACKING,
            PERCUSSION,
        ),
    ),
    "rock": Style(
        tempo=(108, 152),
        swing=(0.5, 0.5),
        loose=6,
        scale=MAJOR,
        chord_beats=4,
        progressions=(
            ("I bVII IV I", "I IV V IV"),
            ("vi IV I V", "IV I V vi"),
            ("I IV I V", "bVI bVII I I"),
            ("vi V IV V", "I V IV IV"),
        ),
        grooves=(
            (
                "kick x.......x.x.....  snare ....x.......x...  hat x.x.x.x.x.x.x.x.",
                "kick x.x.....x.x...x.  snare ....x.......x...  open x...x...x...x...",
            ),
            (
                "kick x.....x.x.......  snare ....x.......x...  hat x.o.x.o.x.o.x.o.",
                "kick x..x..x.x.x.....  snare ....x..-....x..-  crash x...o...o...o...",
            ),
            (
                "kick x...x...x...x...  low_tom ..o...o...o...oo  snare ....x.......x...",
                "kick x.x...x.x.x...x.  snare ....x.......x.o.  ride x.x.x.x.x.x.x.x.",
            ),
        ),
        bass=((PULSE, PULSE), ("0:1.9 2:.9 3:.9+7", PULSE)),
        comp=(("0:4", BEATS), (HALVES, PUSHED)),
        melody=(".5 .5 .5 .5 1 1", "1.5 .5 1 1", ".5 1 .5 1 1", "2 .5 .5 1"),
        small=(
            "rhythm guitar, voice",
            "drums, rhythm guitar",
            "acoustic guitar, voice",
            "drums, bass, rhythm guitar",
            "drums, rhythm guitar, voice",
            "bass, rhythm guitar, voice",
        ),
        core=(
            Part("drums", "drums", "drums", ("power kit", "room kit")),
            Part("bass", "bass", "bass", ("picked bass", "fingered bass")),
            Part("rhythm guitar", "guitar", "power", ("distorted guitar",)),
            Part("voice", "voice", "melody", ("lead voice", "oohs")),
        ),
        extras=(
            Part("lead guitar", "lead", "counter", ("overdriven guitar",)),
            Part("acoustic guitar", "guitar", "strum", ("steel guitar",)),
            Part("clean guitar", "guitar", "arpeggio", ("clean guitar",)),
            Part("organ", "keys", "hold", ("rock organ", "organ")),
            Part("piano", "keys", "comp", ("piano",)),
            BACKING,
            PERCUSSION,
        ),
    ),
    "electronic": Style(
        tempo=(116, 134),
        swing=(0.5, 0.54),
        loose=1,
        scale=MINOR,
        chord_beats=4,
        progressions=(
            ("i bVI bIII bVII", "bVI bVII i i"),
            ("i i bVII bVI", "i bIII bVII iv"),
            ("i v bVI iv", "bVI bIII bVII i"),
        ),
        grooves=(
            (
                "kick x...x...x...x...  hat ..x...x...x...x.  clap ............x...",
                "kick x...x...x...x...  clap ....x.......x...  open ..x...x...x...x.  hat xo.oxo.oxo.oxo.o",
            ),
            (
                "kick x.....x...x.....  snare ....x.......x...  hat x.oox.oox.oox.oo",
                "kick x..x..x...x..x..  snare ....x.......x..o  hat xoxoxoxxxoxoxoxx  clap ....x.......x...",
            ),
            (
                "kick x...x...x...x...  side ..x..x....x..x..  hat o.o.o.o.o.o.o.o.",
                "kick x...x...x...x..o  clap ....x.......x.o.  open ..x...x...x...x.  side ...o..o....o..o.",
            ),
        ),
        bass=((".5:.45 1.5:.45 2.5:.45 3.5:.45", GALLOP), ("0:.7 .75:.7 1.5:.45 2.75:.7 3.5:.4+12", OCTAVES)),
        comp=(
            ("0:4", ".5:.45 1.5:.45 2.5:.45 3.5:.45"),
            ("0:.7 .75:.7 1.5:1.4 3:.9", "0:.6 .75:.6 1.5:.4 2:.6 2.75:.6 3.5:.4"),
        ),
        melody=(".75 .75 .5 .75 .75 .5", ".5 .5 .5 .5 .5 .5 1", "1.5 .5 1.5 .5", ".75 .25 .5 .5 1 1"),
        small=(
            "drums, bass",
            "synth, lead",
            "drums, synth",
            "drums, bass, synth",
            "drums, bass, lead",
            "drums, synth, voice",
        ),
        core=(
            Part("drums", "drums", "drums", ("club kit", "808 kit", "electronic kit")),
            Part("bass", "bass", "bass", ("synth bass", "deep synth bass")),
            Part("synth", "keys", "arpeggio", ("pluck",)),
            Part("lead", "lead", "melody", ("saw lead", "square lead")),
        ),
        extras=(
            Part("pad", "strings", "hold", ("warm pad", "synth strings")),
            Part("voice", "voice", "counter", ("oohs", "lead voice")),
            Part("keys", "keys", "comp", ("electric piano", "piano")),
            Part("bells", "other", "arpeggio", ("vibraphone",)),
            Part("guitar", "guitar", "comp", ("clean guitar",)),
            PERCUSSION,
        ),
    ),
    "ballad": Style(
        tempo=(60, 80),
        swing=(0.5, 0.5),
        loose=9,
        scale=MAJOR,
        chord_beats=2,
        progressions=(
            ("I I V V vi vi IV IV", "IV IV V V I I vi vi"),
            ("I iii IV V", "IV V iii vi"),
            ("vi vi IV IV I I Vsus V", "I I V V vi vi IV V"),
            ("IM7 vi7 ii7 V7", "IVM7 V7 iii7 vi7"),
        ),
        grooves=(
            (
                "kick x.........o.....  side ....o.......o...  hat o.-.o.-.o.-.o.-.",
                "kick x......ox.......  snare ....x.......x...  hat o.o.o.o.o.o.o.o.  crash o...............",
            ),
            (
                "kick x.......x.......  side ........o.......  hat o-o-o-o-o-o-o-o-",
                "kick x.....o.x.....o.  snare ....x.......x..-  ride x.o.x.o.x.o.x.o.",
            ),
        ),
        bass=(("0:1.95 2:1.95", "0:1.4 1.5:.5+7 2:1.4 3.5:.5+7"), ("0:1.95 2:1.95", "0:1.4 1.5:.45 2:1.9")),
        comp=((HALVES, BEATS), (HALVES, "0:1.4 1.5:.5 2:1.4 3.5:.5")),
        melody=("1 .5 .5 2", "1.5 .5 1 1", ".5 .5 1 .5 .5 1", "2 1 .5 .5"),
        small=(
            "piano, voice",
            "guitar, voice",
            "piano, strings",
            "piano, strings, voice",
            "piano, bass, voice",
            "guitar, bass, voice",
        ),
        core=(
            Part("drums", "drums", "drums", ("brush kit", "standard kit", "room kit")),
            Part("bass", "bass", "bass", ("fingered bass", "upright bass")),
            Part("piano", "keys", "broken", ("piano", "electric piano")),
            Part("voice", "voice", "melody", ("lead voice", "oohs")),
        ),
        extras=(
            Part("strings", "strings", "hold", ("strings",)),
            Part("guitar", "guitar", "arpeggio", ("nylon guitar", "steel guitar", "clean guitar")),
            Part("solo", "lead", "counter", ("flute", "tenor sax", "muted trumpet")),
            Part("pad", "strings", "hold", ("warm pad",)),
            Part("vibraphone", "other", "arpeggio", ("vibraphone",)),
            BACKING,
        ),
    ),
    "jazz": Style(
        tempo=(112, 196),
        swing=(0.62, 0.68),
        loose=8,
        scale=MAJOR,
        chord_beats=2,
        progressions=(
            ("ii7 ii7 V7 V7 IM7 IM7 VI7 VI7", "ii7 V7 IM7 vi7"),
            ("IM7 vi7 ii7 V7", "iii7 VI7 ii7 V7"),
            ("IM7 IM7 IVM7 IVM7 viio III7 vi7 VI7", "ii7 V7 iii7 VI7 ii7 V7 IM7 IM7"),
            ("I7 I7 IV7 IV7 I7 I7 V7 V7", "IV7 IV7 I7 VI7 ii7 V7 I7 I7"),
        ),
        grooves=(
            (
                "kick -...-...-...-...  pedal ....x.......x...  ride x...x.o.x...x.o.",
                "kick o...-..-o...-...  pedal ....x.......x...  ride x...x.o.x...x.o.  snare ..-...o.......-.",
            ),
            (
                "snare o.-.x.-.o.-.x.-.  pedal ....x.......x...",
                "kick o.......o.......  pedal ....x.......x...  ride x.o.x.o.x.o.x.o.  side ............x...",
            ),
        ),
        bass=(("", ""),),
        comp=(("0:1.9 2.5:1.4", "0:1.4 1.5:.5 3.5:.5"), ("0:1.4 1.5:2.4", ".5:.5 1.5:1.4 3:.9")),
        melody=(".5 .5 .5 .5 1 1", ".5 .5 .5 .5 .5 .5 .5 .5", "-.5 .5 .5 .5 1.5 .5", "1.5 .5 1 .5 .5"),
        small=("piano, sax", "bass, piano", "bass, sax", "drums, bass, piano", "drums, bass, sax", "bass, guitar, sax"),
        core=(
            Part("drums", "drums", "drums", ("jazz kit", "brush kit")),
            Part("bass", "bass", "walk", ("upright bass",)),
            Part("piano", "keys", "comp", ("piano", "electric piano")),
            Part("sax", "lead", "melody", ("alto sax", "tenor sax")),
        ),
        extras=(
            Part("trumpet", "lead", "counter", ("muted trumpet", "trumpet", "flute")),
            Part("guitar", "guitar", "comp", ("jazz guitar",)),
            Part("vibraphone", "other", "counter", ("vibraphone",)),
            Part("organ", "keys", "hold", ("organ",)),
            Part("voice", "voice", "counter", ("oohs",)),
            Part("strings", "strings", "hold", ("strings",)),
        ),
    ),
}
