// What the files of recognize.h share.
#ifndef SIMCC_RUNTIME_RECOGNIZE_INSIDE_H
#define SIMCC_RUNTIME_RECOGNIZE_INSIDE_H

#include "runtime/files/recognize.h"

// Sets *net where the file holds one of the library's nets beside ResNet; else
// leaves it as it is.
void recognize_net(const TensorFile *file, Recognized *net);

#endif
