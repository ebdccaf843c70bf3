// Passes on graphs in text form. A body is the lines between a graph's braces,
// as the printer writes them.
#ifndef SIMCC_TESTS_UNIT_PASS_TEXT_H
#define SIMCC_TESTS_UNIT_PASS_TEXT_H

#include "ir/graph.h"
#include "passes/pass.h"

// NULL when it does not parse; the reasons are printed.
Graph *pass_text_graph(Arena *arena, const char *body);

// Runs the passes ("cse,dce") on `body` and compares with the body wanted.
void check_pass(const char *names, const char *body, const char *want);

// Lines for bodies.
#define X      "  %0 = input {name=\"x\"} : f64[2,3]\n"
#define Y      "  %1 = input {name=\"y\"} : f64[2,3]\n"
#define OUT(v) "  output \"o\" = " v "\n"
#define PARAM(id, name)                                                        \
    "  " id " = param {name=\"" name                                           \
    "\", role=\"weight\", init=\"constant\", scale=0} : f64[2,3]\n"

#endif
