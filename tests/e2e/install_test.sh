#!/bin/sh
# `make install`, `make uninstall` and `make deb`: what is installed works from
# any folder, and nothing of it is left behind. Manual pages, completions and
# the editors' files agree with the tables.
. tests/e2e/lib.sh
here=$(pwd)

# made TARGET VARIABLE...
made() {
    make -s BUILD="$BUILD" "$@"
}
prefix="$work/root/opt/simcc"
check "install" made install DESTDIR="$work/root" PREFIX=/opt/simcc
installed=$prefix/bin/simcc

# elsewhere COMMAND...: from a folder that has nothing.
mkdir "$work/empty"
elsewhere() {
    (cd "$work/empty" && "$@")
}
check "install: its programs are found" says "its programs are in $prefix/share/simcc/models" \
    elsewhere "$installed" --version
check "install: and what it was built with" says "libjpeg-turbo" \
    elsewhere "$installed" --version
check "install: a program of its own" says "simcc's own, $prefix/share/simcc/models/methods/byol.net" \
    elsewhere "$installed" check methods/byol.net
check "install: by the name of the sources, too" elsewhere "$installed" check \
    models/quickstart.net
check "install: no such program" exits 3 elsewhere "$installed" check nothing.net
cat > "$work/empty/own.net" <<EOF
import "lib/optimizers.net"
phase p(batch = 2, steps = 1) {
    input images = unlabeled, augment [random_crop(8)]
    weight w[1] = 0
    minimize mean(w * mean(images))
    using    sgd(rate = 0.1)
}
EOF
check "install: the library" elsewhere "$installed" show own.net
elsewhere "$installed" data synth shapes --classes 2 --per-class 6 --size 16 -q
check "install: training" elsewhere "$installed" run quickstart.net scratch \
    --data shapes --out run -q --set filters=4 groups=1 image_size=16 \
    scratch.steps=2 scratch.batch=4 scratch.labels=4
check "install: a library of a net" sh -c "cd '$work/empty' &&
    '$installed' bundle quickstart.net scratch --out run -o net -q && make -s -C net &&
    net/net shapes/test/*/*.png"

# libsimcc is the runtime of such libraries, for nets that come alone.
cat > "$work/empty/load.c" <<'EOF'
#include <dlfcn.h>
#include <simcc.h>
#include <stdio.h>
// load NET.so SYMBOL PICTURE: its first two scores.
int main(int count, char **words)
{
    SimccNet *net;
    SimccPicture picture;
    char error[SIMCC_ERROR] = "no such net";
    void *file = count == 4 ? dlopen(words[1], RTLD_NOW) : NULL;
    const SimccModel *model = file ? dlsym(file, words[2]) : NULL;
    if (!model || simcc_init(model, NULL, &net, error) ||
        simcc_read(model, words[3], &picture, error) ||
        simcc_put(net, 0, &picture, error)) {
        puts(error);
        return 1;
    }
    simcc_run(net);
    printf("%a %a\n", (double)simcc_output(net, 0)[0], (double)simcc_output(net, 0)[1]);
    simcc_drop(&picture);
    simcc_free(net);
    return 0;
}
EOF
CC=${CC:-cc}
shared() {
    (cd "$work/empty" && make -s -C net net.so &&
        $CC -I"$prefix/include" -o load load.c -L"$prefix/lib" -lsimcc -ldl &&
        $CC -Inet -o shown net/main.c net/net.so -L"$prefix/lib" -lsimcc)
}
with_library() {
    (cd "$work/empty" && LD_LIBRARY_PATH="$prefix/lib:net" "$@")
}
picture=$(cd "$work/empty" && ls shapes/test/*/*.png | head -1)
check "libsimcc: a net alone, and programs against it" shared
check "libsimcc: by its number" sh -c "readelf -d '$work/empty/shown' | grep -q 'libsimcc.so.[0-9]'"
with_library ./shown "$picture" > "$work/shown"
elsewhere net/net "$picture" > "$work/whole"
check "libsimcc: what the whole library says" cmp "$work/whole" "$work/shown"
check "libsimcc: a net that is loaded" says 0x with_library ./load net/net.so \
    net_model "$picture"
check "libsimcc: a net that is none" says "no such net" with_library ./load \
    net/net.so other_model "$picture"
check "libsimcc: has what the header declares, and no more" sh -c "
    nm -D --defined-only '$prefix/lib/libsimcc.so' | awk '\$2 == \"T\" { sub(/@.*/, \"\", \$3); print \$3 }' | sort > '$work/has'
    grep -oE '\bsimcc_[a-z_]+\(' '$prefix/include/simcc.h' | tr -d '(' | sort -u > '$work/declares'
    cmp '$work/has' '$work/declares'"
check "libsimcc: needs the C library alone" sh -c "! readelf -d '$prefix/lib/libsimcc.so' |
    grep NEEDED | grep -vE 'lib(c|m|pthread)\.so|ld-linux'"
if command -v pkg-config >/dev/null 2>&1; then
    check "libsimcc: pkg-config" says "-lsimcc" env \
        PKG_CONFIG_PATH="$prefix/lib/pkgconfig" pkg-config --cflags --libs simcc
fi

# ---- pages and completions ---------------------------------------------------

commands=$(sed -n 's/^COMMAND([a-z_]*, "\([a-z ]*\)",/\1/p' frontend/cli/commands.def | tr ' ' -)
pages() {
    for c in $commands; do
        grep -q '^\.SH OPTIONS' "$prefix/share/man/man1/simcc-$c.1" || return 1
        grep -qF "simcc\\-$(echo "$c" | sed 's/-/\\-/g')" "$prefix/share/man/man1/simcc.1" ||
            { echo "$c"; return 1; }
    done
}
check "manual: a page for each command" pages
if command -v man >/dev/null 2>&1 && man --version 2>/dev/null | grep -q '^man '; then
    warnings() {
        for page in "$prefix"/share/man/man1/*.1; do
            man --warnings -E UTF-8 -l -Tutf8 "$page" 2>&1 >/dev/null | grep . && return 1
        done
        return 0
    }
    check "manual: man has nothing to say against it" warnings
else
    skip "manual: man has nothing to say against it" "(man is not installed)"
fi

# completed WORD...: what bash offers for the last of them.
completed() {
    bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _simcc
        printf "%s\n" "${COMPREPLY[@]}"' \
        "$prefix/share/bash-completion/completions/simcc" simcc "$@"
}
if command -v bash >/dev/null 2>&1; then
    completed bu > "$work/completed"
    check "bash: commands" grep -qx bundle "$work/completed"
    completed data i > "$work/completed"
    check "bash: commands of two words" grep -qx info "$work/completed"
    completed data check --j > "$work/completed"
    check "bash: their options" grep -qx -- --json "$work/completed"
    completed run x.net --da > "$work/completed"
    check "bash: options of the command" grep -qx -- --data "$work/completed"
    completed check x.net --da > "$work/completed"
    check "bash: and of no other" sh -c "! grep -q . '$work/completed'"
else
    skip "bash: completion" "(bash is not installed)"
fi
for shell in zsh fish; do
    file=$prefix/share/zsh/site-functions/_simcc
    [ $shell = zsh ] || file=$prefix/share/fish/vendor_completions.d/simcc.fish
    if command -v $shell >/dev/null 2>&1; then
        check "$shell: reads its completion" $shell -n "$file"
    else
        skip "$shell: reads its completion" "($shell is not installed)"
    fi
    check "$shell: has every command" sh -c "for c in $(echo $commands); do
        grep -q \"\${c##*-}\" '$file' || exit 1; done"
done
if command -v fish >/dev/null 2>&1; then
    fish -c "source '$prefix/share/fish/vendor_completions.d/simcc.fish'
        complete -C 'simcc run x.net --pati'" > "$work/completed"
    check "fish: options of the command" grep -q -- "--patience" "$work/completed"
fi

# ---- editors ----------------------------------------------------------------

words() {
    for word in $(grep -oE '^"[a-z]+"' frontend/lang/lexer.l | tr -d '"'); do
        grep -qw "$word" "$prefix/share/vim/vimfiles/syntax/simcc.vim" &&
            grep -qw "$word" "$prefix/share/simcc/editors/vscode/syntaxes/simcc.tmLanguage.json" ||
            { echo "$word"; return 1; }
    done
}
check "editors: every keyword of the language" words
if vim --version 2>/dev/null | grep -q '+syntax'; then
    colored() {
        vim -Nu NONE -i NONE -n -es --cmd "set rtp^=$prefix/share/vim/vimfiles" \
            -c 'filetype on' -c 'syntax on' -c "edit $here/models/tour.net" \
            -c "let word = search('^phase')" \
            -c "call writefile([synIDattr(synID(line('.'), 1, 1), 'name')], '$work/colors')" \
            -c 'qa!' < /dev/null
        grep -qx simccDefine "$work/colors"
    }
    check "editors: vim colors a program" colored
else
    skip "editors: vim colors a program" "(vim with +syntax is not installed)"
fi

# ---- away again -------------------------------------------------------------

check "uninstall" made uninstall DESTDIR="$work/root" PREFIX=/opt/simcc
check "uninstall: nothing is left" sh -c "! find '$work/root' -mindepth 5 | grep . &&
    ! find '$work/root' -type f | grep ."

if [ "$(id -u)" = 0 ] && command -v dpkg-deb >/dev/null 2>&1; then
    check "deb" made deb
    package=$(ls "$BUILD"/simcc_*_amd64.deb)
    mkdir -p "$work/system/var/lib/dpkg/info" "$work/system/var/lib/dpkg/updates"
    touch "$work/system/var/lib/dpkg/status" "$work/system/var/lib/dpkg/available"
    # Into a system of its own, which has none of what it depends on.
    system() {
        dpkg --root="$work/system" --force-depends --force-bad-path --log=/dev/null "$@"
    }
    check "deb: installs" system -i "$package"
    check "deb: runs from any folder" says "no errors" elsewhere \
        "$work/system/usr/bin/simcc" check quickstart.net
    check "deb: is removed" system -r simcc
    check "deb: and leaves nothing" sh -c "! find '$work/system' -path '*/var' -prune -o -type f -print | grep ."
    cp "$package" "$work/first.deb"
    rm -rf "$BUILD/stage"
    made deb > /dev/null
    check "deb: the same bytes again" cmp "$work/first.deb" "$package"
else
    skip "deb" "(needs dpkg-deb, and root for an installation)"
fi

# ---- the same bytes from other folders --------------------------------------

objects="build/frontend/cli/help.o build/frontend/lang/grammar.o
    build/bundled/runtime/exec/exec.o"
for folder in one two/deeper; do
    mkdir -p "$work/$folder"
    cp -r Makefile runtime ir passes codegen frontend "$work/$folder"
    # shellcheck disable=SC2086
    (cd "$work/$folder" && env -u BUILD -u MAKEFLAGS make -s $objects) > "$work/log" 2>&1
done
same() {
    for object in $objects; do
        cmp "$work/one/$object" "$work/two/deeper/$object" || return 1
    done
}
check "build: the same bytes in two folders" same
finish
