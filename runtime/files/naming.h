// Which tensor of another program's file is which of ours, without a map: the
// ways of naming that are known are tried, and the one under which most of
// what is wanted is there is taken.
#ifndef SIMCC_RUNTIME_NAMING_H
#define SIMCC_RUNTIME_NAMING_H

#include "runtime/files/rename.h"
#include "runtime/files/tensors.h"

// A tensor that is wanted, by our name.
typedef struct NamingWant {
    const char *name;
    int rank;
    const int64_t *dims;
} NamingWant;

// Where it is in the file.
typedef struct NamingPlace {
    int tensor; // -1 = nowhere
    RenameAxes axes;
} NamingPlace;

enum { NAMING_ROOT = 200 };

typedef struct Naming {
    const char *title; // whose names: "lightly's"; NULL = ours, or nothing fits
    const char *notes[2];   // what besides names is other there, or NULL
    char root[NAMING_ROOT]; // what stands before all names: "state_dict."
    char copy[NAMING_ROOT]; // the same before another copy of the net, or ""
    int matched;            // wants found, with their shapes
    NamingPlace *places;    // one for each want
    const struct NamingRow *row;
} Naming;

// STATUS_MEMORY is its only failure; a file in which nothing fits gives places
// that are nowhere.
Status naming_find(const TensorFile *file, int count, const NamingWant *wants,
                   Naming *naming);
void naming_free(Naming *naming);

// What a tensor is that is none of those wanted.
typedef enum NamingRest {
    NAMING_SLOT,    // an optimizer's, or a trainer's notes
    NAMING_COPY,    // of another copy of the net
    NAMING_ENCODER, // of the encoder: another net than the one wanted
    NAMING_OTHER
} NamingRest;

// *rest is the name without what stands before all names of the encoder.
NamingRest naming_rest(const Naming *naming, const char *name,
                       const char **rest);

// Is the tensor of that name an optimizer's, or a trainer's notes, in any
// program's files?
bool naming_is_slot(const char *name);

// ---- nets -------------------------------------------------------------------

// A layer with weights, by its name in the program.
typedef struct NamingLayer {
    char name[64];
    bool norm;
    int number; // among convolutions, or norms, in the order of their making
} NamingLayer;

// What of a net decides how others name its tensors.
typedef struct NamingNet {
    int count; // wants, by name
    NamingWant *wants;
    int layer_count; // of the encoder, by name
    NamingLayer *layers;
    bool deep;       // a stem of three convolutions
    bool bottleneck; // blocks of three
    bool sk;         // selective kernels
    bool pooled;     // shortcuts pool before their convolution
    int head_layers;
} NamingNet;

Status naming_net_new(NamingNet *net, int count, const NamingWant *wants);
void naming_net_free(NamingNet *net);
bool naming_net_has(const NamingNet *net, const char *layer, const char *leaf);
// The number of a layer of the encoder; -1 when it is none.
int naming_net_number(const NamingNet *net, const char *layer);

enum { NAMING_NAME = 256 };

// The name that the tensor `ours` has in checkpoints of the reference code,
// version 1 or 2 (after the root); false when that code has none such.
bool naming_tf1(const NamingNet *net, const char *ours, char out[NAMING_NAME],
                RenameAxes *axes);
bool naming_tf2(const NamingNet *net, const char *ours, char out[NAMING_NAME],
                RenameAxes *axes);

#endif
