// Letters for plots: 5 x 7 dots.
#ifndef SIMCC_RUNTIME_PLOT_FONT_H
#define SIMCC_RUNTIME_PLOT_FONT_H

#include <stdbool.h>

enum { FONT_WIDTH = 5, FONT_HEIGHT = 7, FONT_ADVANCE = 6 };

// Whether the glyph of `letter` has a dot there. Letters outside printable
// ASCII look like a question mark.
bool font_dot(char letter, int row, int column);

#endif
