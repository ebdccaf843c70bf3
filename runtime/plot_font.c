#include "runtime/plot_font.h"

// Seven rows of five dots, a space between rows; from ' ' to '~'.
static const char *const glyphs[] = {
    "..... ..... ..... ..... ..... ..... .....", //
    "..X.. ..X.. ..X.. ..X.. ..X.. ..... ..X..", // !
    ".X.X. .X.X. ..... ..... ..... ..... .....", // "
    ".X.X. .X.X. XXXXX .X.X. XXXXX .X.X. .X.X.", // #
    "..X.. .XXXX X.X.. .XXX. ..X.X XXXX. ..X..", // $
    "XX... XX..X ...X. ..X.. .X... X..XX ...XX", // %
    ".XX.. X..X. X.X.. .X... X.X.X X..X. .XX.X", // &
    "..X.. ..X.. ..... ..... ..... ..... .....", // '
    "...X. ..X.. .X... .X... .X... ..X.. ...X.", // (
    ".X... ..X.. ...X. ...X. ...X. ..X.. .X...", // )
    "..... ..X.. X.X.X .XXX. X.X.X ..X.. .....", // *
    "..... ..X.. ..X.. XXXXX ..X.. ..X.. .....", // +
    "..... ..... ..... ..... ..X.. ..X.. .X...", // ,
    "..... ..... ..... XXXXX ..... ..... .....", // -
    "..... ..... ..... ..... ..... .XX.. .XX..", // .
    "..... ....X ...X. ..X.. .X... X.... .....", // /
    ".XXX. X...X X..XX X.X.X XX..X X...X .XXX.", // 0
    "..X.. .XX.. ..X.. ..X.. ..X.. ..X.. .XXX.", // 1
    ".XXX. X...X ....X ...X. ..X.. .X... XXXXX", // 2
    "XXXXX ...X. ..X.. ...X. ....X X...X .XXX.", // 3
    "...X. ..XX. .X.X. X..X. XXXXX ...X. ...X.", // 4
    "XXXXX X.... XXXX. ....X ....X X...X .XXX.", // 5
    "..XX. .X... X.... XXXX. X...X X...X .XXX.", // 6
    "XXXXX ....X ...X. ..X.. ..X.. .X... .X...", // 7
    ".XXX. X...X X...X .XXX. X...X X...X .XXX.", // 8
    ".XXX. X...X X...X .XXXX ....X ...X. .XX..", // 9
    "..... .XX.. .XX.. ..... .XX.. .XX.. .....", // :
    "..... .XX.. .XX.. ..... .XX.. ..X.. .X...", // ;
    "...X. ..X.. .X... X.... .X... ..X.. ...X.", // <
    "..... ..... XXXXX ..... XXXXX ..... .....", // =
    ".X... ..X.. ...X. ....X ...X. ..X.. .X...", // >
    ".XXX. X...X ....X ...X. ..X.. ..... ..X..", // ?
    ".XXX. X...X X.XXX X.X.X X.XXX X.... .XXXX", // @
    "..X.. .X.X. X...X X...X XXXXX X...X X...X", // A
    "XXXX. X...X X...X XXXX. X...X X...X XXXX.", // B
    ".XXX. X...X X.... X.... X.... X...X .XXX.", // C
    "XXX.. X..X. X...X X...X X...X X..X. XXX..", // D
    "XXXXX X.... X.... XXXX. X.... X.... XXXXX", // E
    "XXXXX X.... X.... XXXX. X.... X.... X....", // F
    ".XXX. X...X X.... X.XXX X...X X...X .XXXX", // G
    "X...X X...X X...X XXXXX X...X X...X X...X", // H
    ".XXX. ..X.. ..X.. ..X.. ..X.. ..X.. .XXX.", // I
    "..XXX ...X. ...X. ...X. ...X. X..X. .XX..", // J
    "X...X X..X. X.X.. XX... X.X.. X..X. X...X", // K
    "X.... X.... X.... X.... X.... X.... XXXXX", // L
    "X...X XX.XX X.X.X X.X.X X...X X...X X...X", // M
    "X...X XX..X XX..X X.X.X X..XX X..XX X...X", // N
    ".XXX. X...X X...X X...X X...X X...X .XXX.", // O
    "XXXX. X...X X...X XXXX. X.... X.... X....", // P
    ".XXX. X...X X...X X...X X.X.X X..X. .XX.X", // Q
    "XXXX. X...X X...X XXXX. X.X.. X..X. X...X", // R
    ".XXXX X.... X.... .XXX. ....X ....X XXXX.", // S
    "XXXXX ..X.. ..X.. ..X.. ..X.. ..X.. ..X..", // T
    "X...X X...X X...X X...X X...X X...X .XXX.", // U
    "X...X X...X X...X X...X .X.X. .X.X. ..X..", // V
    "X...X X...X X...X X.X.X X.X.X XX.XX X...X", // W
    "X...X X...X .X.X. ..X.. .X.X. X...X X...X", // X
    "X...X X...X .X.X. ..X.. ..X.. ..X.. ..X..", // Y
    "XXXXX ....X ...X. ..X.. .X... X.... XXXXX", // Z
    ".XXX. .X... .X... .X... .X... .X... .XXX.", // [
    "..... X.... .X... ..X.. ...X. ....X .....", // backslash
    ".XXX. ...X. ...X. ...X. ...X. ...X. .XXX.", // ]
    "..X.. .X.X. X...X ..... ..... ..... .....", // ^
    "..... ..... ..... ..... ..... ..... XXXXX", // _
    ".X... ..X.. ..... ..... ..... ..... .....", // `
    "..... ..... .XXX. ....X .XXXX X...X .XXXX", // a
    "X.... X.... XXXX. X...X X...X X...X XXXX.", // b
    "..... ..... .XXX. X.... X.... X.... .XXX.", // c
    "....X ....X .XXXX X...X X...X X...X .XXXX", // d
    "..... ..... .XXX. X...X XXXXX X.... .XXX.", // e
    "..XX. .X... XXXX. .X... .X... .X... .X...", // f
    "..... ..... .XXXX X...X .XXXX ....X .XXX.", // g
    "X.... X.... XXXX. X...X X...X X...X X...X", // h
    "..X.. ..... .XX.. ..X.. ..X.. ..X.. .XXX.", // i
    "...X. ..... ..XX. ...X. ...X. X..X. .XX..", // j
    ".X... .X... .X..X .X.X. .XX.. .X.X. .X..X", // k
    ".XX.. ..X.. ..X.. ..X.. ..X.. ..X.. .XXX.", // l
    "..... ..... XX.X. X.X.X X.X.X X.X.X X.X.X", // m
    "..... ..... XXXX. X...X X...X X...X X...X", // n
    "..... ..... .XXX. X...X X...X X...X .XXX.", // o
    "..... ..... XXXX. X...X XXXX. X.... X....", // p
    "..... ..... .XXXX X...X .XXXX ....X ....X", // q
    "..... ..... X.XX. XX... X.... X.... X....", // r
    "..... ..... .XXXX X.... .XXX. ....X XXXX.", // s
    ".X... .X... XXXX. .X... .X... .X... ..XX.", // t
    "..... ..... X...X X...X X...X X..XX .XX.X", // u
    "..... ..... X...X X...X .X.X. .X.X. ..X..", // v
    "..... ..... X...X X.X.X X.X.X X.X.X .X.X.", // w
    "..... ..... X...X .X.X. ..X.. .X.X. X...X", // x
    "..... ..... X...X X...X .XXXX ....X .XXX.", // y
    "..... ..... XXXXX ...X. ..X.. .X... XXXXX", // z
    "...X. ..X.. ..X.. .X... ..X.. ..X.. ...X.", // {
    "..X.. ..X.. ..X.. ..X.. ..X.. ..X.. ..X..", // |
    ".X... ..X.. ..X.. ...X. ..X.. ..X.. .X...", // }
    "..... ..... .X... X.X.X ...X. ..... .....", // ~
};

_Static_assert(sizeof glyphs / sizeof *glyphs == '~' - ' ' + 1,
               "one glyph for each printable letter");

bool font_dot(char letter, int row, int column)
{
    if (letter < ' ' || letter > '~')
        letter = '?';
    return glyphs[letter - ' '][row * (FONT_WIDTH + 1) + column] == 'X';
}
