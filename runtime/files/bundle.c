#include "runtime/files/tensors_inside.h"
Status bundle_open(TensorFile *file, const char *prefix)
{
    (void)prefix;
    return tensors_no_memory(file);
}
