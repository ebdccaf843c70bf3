// The graph of objects in checkpoints and saved models of TensorFlow 2.
#ifndef SIMCC_RUNTIME_OBJECT_GRAPH_H
#define SIMCC_RUNTIME_OBJECT_GRAPH_H

#include "runtime/files/tensors_inside.h"

// Gives the tensors of a saved model, whose keys are mere numbers
// (variables/7/...), the names that checkpoints of the same objects would have:
// the way to the variable through its owners' attributes. STATUS_DATA when the
// message is malformed.
Status object_graph_name(TensorFile *file, const uint8_t *graph, uint64_t size);

#endif
