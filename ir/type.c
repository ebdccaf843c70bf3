#include "ir/base/diag.h"
#include "ir/base/text.h"
#include "ir/graph.h"

static const struct {
    const char *name;
    int size;
} dtypes[DT_COUNT] = {
    [DT_F32] = {"f32", 4},
    [DT_F64] = {"f64", 8},
    [DT_BF16] = {"bf16", 2},
    [DT_BOOL] = {"bool", 1},
};

const char *dtype_name(DType dtype)
{
    return dtypes[dtype].name;
}

bool dtype_by_name(const char *name, DType *dtype)
{
    for (int i = 0; i < DT_COUNT; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            *dtype = (DType)i;
            return true;
        }
    }
    return false;
}

int dtype_size(DType dtype)
{
    return dtypes[dtype].size;
}

static const char *const form_names[FORM_COUNT] = {
    [FORM_PLAIN] = "plain",
    [FORM_PLANES] = "planes",
    [FORM_BLOCKED] = "blocked",
    [FORM_TILED] = "tiled",
};

const char *form_name(Form form)
{
    return form_names[form];
}

bool form_by_name(const char *name, Form *form)
{
    for (int i = 0; i < FORM_COUNT; i++)
        if (strcmp(form_names[i], name) == 0) {
            *form = (Form)i;
            return true;
        }
    return false;
}

TensorType type_make(DType dtype, int rank, const int64_t *dims)
{
    return type_make_form(dtype, rank, dims, FORM_PLAIN);
}

TensorType type_make_form(DType dtype, int rank, const int64_t *dims, Form form)
{
    INTERNAL_CHECK(rank >= 0 && rank <= MAX_RANK);
    TensorType type = {.dtype = dtype, .rank = rank, .form = form};
    for (int i = 0; i < rank; i++)
        type.dims[i] = dims[i];
    return type;
}

TensorType type_scalar(DType dtype)
{
    return (TensorType){.dtype = dtype};
}

bool type_same_dims(const TensorType *a, const TensorType *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

bool type_equal(const TensorType *a, const TensorType *b)
{
    return a->dtype == b->dtype && a->form == b->form && type_same_dims(a, b);
}

int64_t type_elements(const TensorType *type)
{
    int64_t elements = 1;
    for (int i = 0; i < type->rank; i++)
        elements *= type->dims[i];
    return elements;
}

bool type_is_sane(const TensorType *type)
{
    if ((unsigned)type->dtype >= DT_COUNT || type->rank < 0 ||
        type->rank > MAX_RANK)
        return false;
    int64_t elements = 1;
    for (int i = 0; i < type->rank; i++) {
        // Divides instead of multiplying: the product may not fit.
        if (type->dims[i] < 1 || type->dims[i] > MAX_ELEMENTS / elements)
            return false;
        elements *= type->dims[i];
    }
    return true;
}

bool type_fits_form(const TensorType *type)
{
    int64_t inner = type->rank > 4 ? type->dims[4] : 0;
    switch (type->form) {
    case FORM_PLAIN:
        return true;
    case FORM_PLANES:
        return type->rank == 5 && inner == 1;
    case FORM_BLOCKED:
        return type->rank == 5 && (inner & (inner - 1)) == 0;
    case FORM_TILED:
        return type->rank == 6 && inner == type->dims[5];
    case FORM_COUNT:
        break;
    }
    return false;
}

const char *type_text(Arena *arena, const TensorType *type)
{
    // Long enough for MAX_RANK numbers of 20 characters.
    char dims[MAX_RANK * 21 + 1] = "";
    size_t length = 0;
    for (int i = 0; i < type->rank && i < MAX_RANK; i++)
        length +=
            (size_t)snprintf(dims + length, sizeof dims - length, "%s%lld",
                             i ? "," : "", (long long)type->dims[i]);
    const char *name =
        (unsigned)type->dtype < DT_COUNT ? dtype_name(type->dtype) : "?";
    bool formed = type->form != FORM_PLAIN && (unsigned)type->form < FORM_COUNT;
    return arena_printf(arena, "%s[%s]%s%s", name, dims, formed ? " " : "",
                        formed ? form_name(type->form) : "");
}
