# For the end-to-end scripts: `. tests/e2e/lib.sh` from the repository's root.
# check NAME COMMAND... prints ok or not ok; the command's output is shown when
# it fails. $work is a folder of this script's own, removed at the end.
set -u
BUILD=$(cd "${BUILD:-build}" && pwd) || exit 1
mkdir -p "$BUILD/tests"
simcc=$BUILD/simcc
work=$(mktemp -d /tmp/simcc-e2e-XXXXXX)
trap 'rm -rf "$work"' EXIT
# Kernels compiled by one script serve the others.
export XDG_CACHE_HOME="$BUILD/tests/cache"
script_failed=0

check() {
    name=$1
    shift
    if "$@" > "$work/check.log" 2>&1; then
        echo "ok $name"
    else
        sed 's/^/  /' "$work/check.log" | tail -n 20
        echo "not ok $name"
        script_failed=1
    fi
}

# alike BOUND ONE OTHER [LEAST]: files of the same words, and of numbers that differ
# by no more than that share of the larger one, or of 1; so many words at least.
alike() {
    paste -d ' ' "$2" "$3" | tr ':' ' ' |
        awk -v bound="$1" -v least="${4:-1}" '
        function size(x) { return x < 0 ? -x : x }
        {
            for (i = 1; i <= NF / 2; i++) {
                a = $i; b = $(i + NF / 2); n++
                most = size(a) > size(b) ? size(a) : size(b)
                if (most < 1) most = 1
                off = a == b ? 0 : size(a - b) / most
                if (a != b && !(off <= bound)) {
                    print NR ": " $0; bad = 1
                }
                if (off > worst)
                    worst = off
            }
        }
        END { print n " compared, " worst " apart"; exit bad || n < least }'
}

skip() {
    echo "skip $1 $2"
}

# exits CODE COMMAND...
exits() {
    exits_with=$1
    shift
    "$@"
    got=$?
    [ "$got" = "$exits_with" ] ||
        { echo "exit code $got, not $exits_with"; false; }
}

# agree WANT GOT TOLERANCE: the rows that `embed --csv` wrote to GOT, without
# their names and classes, and those of WANT differ by no more, as a share of the
# largest.
agree() {
    tail -n +2 "$2" | cut -d, -f3- > "$work/got"
    awk -F, -v most="$3" '
        NR == FNR { for (i = 1; i <= NF; i++) want[FNR, i] = $i; rows = FNR; next }
        {
            for (i = 1; i <= NF; i++) {
                d = $i - want[FNR, i]; d = d < 0 ? -d : d
                v = want[FNR, i] < 0 ? -want[FNR, i] : want[FNR, i]
                worst = d > worst ? d : worst
                large = v > large ? v : large
                n++
            }
        }
        END {
            print "largest difference " worst " of " large ", " n " numbers"
            exit !(n && rows == FNR && large > 0 && worst <= most * (large > 1 ? large : 1))
        }' "$1" "$work/got"
}

# says TEXT COMMAND...: somewhere in its output, whatever its exit code; of
# `exits CODE COMMAND...`, with that one.
says() {
    said_text=$1
    shift
    "$@" > "$work/said" 2>&1
    said_code=$?
    [ "$1" != exits ] || [ "$said_code" = 0 ] || { cat "$work/said"; return 1; }
    grep -qF -- "$said_text" "$work/said" ||
        { cat "$work/said"; echo "does not say: $said_text"; false; }
}

# same_tensors ONE TWO: of two files, behind their headers, which have settings.
safetensors_data() {
    tail -c "+$(($(od -An -tu8 -N8 "$1") + 9))" "$1"
}
same_tensors() {
    safetensors_data "$1" > "$work/one"
    safetensors_data "$2" > "$work/two"
    [ -s "$work/one" ] && cmp "$work/one" "$work/two"
}

# merged SETTINGS MORE: settings, those of MORE in place of others of their name.
merged() {
    for setting in $1; do
        case " $2" in
        *" ${setting%%=*}="*) ;;
        *) printf '%s ' "$setting" ;;
        esac
    done
    printf '%s\n' "$2"
}

# finish: the script's exit code.
finish() {
    exit "$script_failed"
}
