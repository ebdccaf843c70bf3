// A net as a C library: what `simcc bundle` writes, and how it is called.
//
//     #include "net.h"                    // declares net_model
//     SimccNet *net;
//     char error[SIMCC_ERROR];
//     if (simcc_init(&net_model, NULL, &net, error) != SIMCC_OK) ...
//     simcc_put(net, 0, &picture, error); // crops, resizes, scales
//     simcc_run(net);
//     const float *row = simcc_output(net, 0);
//     simcc_free(net);
//
// Link with the library, -lpthread and -lm; or with the net alone, which `make
// net.so` makes beside it, and with -lsimcc: this runtime as `make install` has
// it, for any number of nets. Everything is allocated by
// simcc_init; simcc_put and simcc_run allocate nothing, take no locks of the
// process, and keep the floating point state of the caller's thread. Instances
// share nothing but the weights, which are only read: each may run on threads
// of its own. One instance is used by one thread at a time. Results do not
// depend on the number of threads, and are those of `simcc predict` to the bit
// on the same target and batch.
#ifndef SIMCC_H
#define SIMCC_H

// Raised by one when a change breaks programs that were written for the last.
#define SIMCC_API 1

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default) // seen from outside shared libraries
#endif

// The compiled net: machine code, plan, names and, unless they lie in a file of
// their own, weights. Constant.
typedef struct SimccModel SimccModel;
// An instance: memory for a batch, threads.
typedef struct SimccNet SimccNet;

enum {
    SIMCC_OK = 0,
    SIMCC_FAILED = 1, // of the system or the processor
    SIMCC_USAGE = 2,  // an argument is out of range
    SIMCC_DATA = 4,   // a bad file, a picture that does not fit
    SIMCC_MEMORY = 6,
    SIMCC_ERROR = 1024 // bytes that a message may take
};

// Threads of the caller's instead of the net's own: `start` lets `body` run
// with `argument` on another thread, until that returns, which it does in
// simcc_free, and gives a handle, or NULL where it cannot; `join` waits for it.
typedef struct SimccThreads {
    void *context;
    void *(*start)(void *context, void (*body)(void *argument), void *argument);
    void (*join)(void *context, void *thread);
} SimccThreads;

// Zeros are the defaults.
typedef struct SimccOptions {
    int threads; // that work on a batch, the caller of simcc_run among them; 0:
                 // that one alone
    int batch;   // one of those that the library was made for; 0: the first
    int side;    // longest side of pictures for simcc_put; 0: 4096 pixels
    const char *target;  // one of those that the library was made for; NULL:
                         // the best that this processor can run
    const char *weights; // the file of a library with weights beside it
    const SimccThreads *start; // NULL: threads of its own
} SimccOptions;

// A picture. `pixels` are rows of red, green and blue bytes, one behind the
// other; nets of other numbers of channels take `planes`, [channels, height,
// width] of numbers in [0, 1]. The other pointer is NULL.
typedef struct SimccPicture {
    int width, height, channels;
    unsigned char *pixels;
    float *planes;
} SimccPicture;

// `options` may be NULL. `error` (of SIMCC_ERROR bytes, or NULL) gets a
// sentence where the result is not SIMCC_OK, and *net is NULL then.
int simcc_init(const SimccModel *model, const SimccOptions *options,
               SimccNet **net, char *error);
void simcc_free(SimccNet *net); // NULL is none

// ---- pictures in ------------------------------------------------------------

// Makes a picture row `row` of the batch, as the net's evaluation does: crop,
// resize, scale.
int simcc_put(SimccNet *net, int row, const SimccPicture *picture, char *error);
// Or fill it yourself: [batch, channels, height, width] of numbers in [0, 1],
// in memory of the net's.
float *simcc_input(SimccNet *net);
void simcc_input_size(const SimccNet *net, int *channels, int *height,
                      int *width);

// Reads a PNG or JPEG file as `simcc predict` does, by libpng and libjpeg-turbo
// which are in the library. Allocates; simcc_drop frees. A program that does
// not call it does not contain them.
int simcc_read(const SimccModel *model, const char *path, SimccPicture *picture,
               char *error);
void simcc_drop(SimccPicture *picture);

// ---- results out ------------------------------------------------------------

// Computes the whole batch; rows that nobody filled give what they give.
void simcc_run(SimccNet *net);
// Row `row` of what it computed, simcc_width numbers; until the next run.
const float *simcc_output(const SimccNet *net, int row);
int simcc_width(const SimccNet *net);
int simcc_batch(const SimccNet *net);
// Of a classifier: the most probable class, the first of equals, and, where
// `probabilities` is not NULL, all simcc_width of them; where an image may have
// several classes each is its own, and those above 1/2 are predicted. -1 where
// the row is no numbers.
int simcc_classify(const SimccNet *net, int row, double *probabilities);
// A class's name; NULL where the weights do not name classes.
const char *simcc_class(const SimccNet *net, int index);

// ---- about it ---------------------------------------------------------------

const char *simcc_target(const SimccNet *net); // that it runs as
// Memory of the instance in bytes, without the weights that all share.
long long simcc_bytes(const SimccNet *net);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
