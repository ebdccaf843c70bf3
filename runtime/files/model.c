#include "runtime/files/model.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/exec/tiles.h"
#include "runtime/files/convert.h"
#include "runtime/files/naming.h"
#include "runtime/files/recognize.h"
#include "runtime/files/store_file.h"

// ---- names ------------------------------------------------------------------

// A glob of `length` bytes against a whole name; after a mismatch, the last
// star swallows one more byte.
static bool glob_matches(const char *glob, size_t length, const char *name)
{
    const char *end = glob + length, *star = NULL, *retry = NULL;
    while (*name) {
        if (glob < end && *glob == '*') {
            star = ++glob;
            retry = name;
        } else if (glob < end && (*glob == '?' || *glob == *name)) {
            glob++;
            name++;
        } else if (star) {
            glob = star;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (glob < end && *glob == '*')
        glob++;
    return glob == end;
}

bool name_matches(const char *globs, const char *name)
{
    while (*globs) {
        globs += strspn(globs, ", ");
        size_t length = strcspn(globs, ", ");
        if (length && glob_matches(globs, length, name))
            return true;
        globs += length;
    }
    return false;
}

bool model_leaves_out(const char *name)
{
    return name_matches("optimizer.*,ema.*", name);
}

bool model_is_classifier(const char *name)
{
    return name_matches("fc.*,classifier.1.*,classifier.2.*,classifier.3.*,"
                        "heads.*",
                        name);
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

// Are both in one row of modules: is what stands before the first dot or digit
// equal, as in layer1.0.conv1 and layer3.0.conv1?
static bool same_module(const char *a, const char *b)
{
    static const char ends[] = ".0123456789";
    size_t length = strcspn(a, ends);
    return length == strcspn(b, ends) && strncmp(a, b, length) == 0;
}

// ---- writing ----------------------------------------------------------------

Status model_save(const char *path, const Store *store, const ModelInfo *info)
{
    char steps[32];
    snprintf(steps, sizeof steps, "%" PRId64, info->step);
    SafeMeta metas[] = {
        {SAFE_CHECKSUM_KEY, SAFE_NO_CHECKSUM},
        {"format", "pt"},
        {"program", info->program},
        {"phase", info->phase},
        {"step", steps},
        {"parameters", info->parameters ? info->parameters : ""},
        {"classes", info->classes ? info->classes : ""},
        {"data", info->data ? info->data : ""}};
    return store_save(path, store, false, sizeof metas / sizeof *metas, metas);
}

// ---- what is there and what is wanted ---------------------------------------

typedef struct Entry {
    const SafeTensor *tensor;
    int index;       // in the file
    char *name;      // after renaming
    RenameAxes axes; // in the file
    NamingRest rest; // what it is when nothing wants it
    bool used;
} Entry;

typedef struct Want {
    const char *name; // in the file
    const PlanTensor *tensor;
    StoreTensor *to; // NULL when only compared
    Entry *from;     // NULL when not there
} Want;

typedef struct Match {
    const char *path;
    TensorFile *file;
    bool own_names; // none but the file's own are looked for
    Naming naming;
    Entry *entries; // by name
    int entry_count;
    Want *wants;
    int want_count;
    ModelReport *report;
} Match;

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const Entry *)a)->name, ((const Entry *)b)->name);
}

// Names by a map, or else the file's own.
static bool rename_entries(Match *match, const Renames *renames)
{
    static const Renames none = {0};
    int count = tensors_count(match->file);
    for (int i = 0; i < count; i++) {
        Entry *entry = &match->entries[i];
        entry->tensor = tensors_at(match->file, i);
        entry->index = i;
        entry->rest = NAMING_OTHER;
        entry->name = renames_apply(renames ? renames : &none,
                                    entry->tensor->name, &entry->axes);
        match->entry_count++;
        if (!entry->name)
            return false;
    }
    return true;
}

// Another name for an entry; false without memory.
static bool name_entry(Entry *entry, const char *name)
{
    char *copy = strdup(name);
    if (!copy)
        return false;
    free(entry->name);
    entry->name = copy;
    return true;
}

static void say_names(Match *match)
{
    const Naming *naming = &match->naming;
    ModelReport *report = match->report;
    int used = snprintf(report->names, sizeof report->names, "names are %s",
                        naming->title);
    if (*naming->root)
        used +=
            snprintf(report->names + used, sizeof report->names - (size_t)used,
                     ", below %s", naming->root);
    if (*naming->copy && used < (int)sizeof report->names)
        snprintf(report->names + used, sizeof report->names - (size_t)used,
                 "; the copy below %s is left alone", naming->copy);
    memcpy(report->notes, naming->notes, sizeof report->notes);
}

// Names of another program's file, by the way of naming that fits best.
static Status find_names(Match *match)
{
    Naming *naming = &match->naming;
    NamingWant *wants = calloc((size_t)match->want_count + 1, sizeof *wants);
    if (!wants)
        return status_error(STATUS_MEMORY, "no memory to read %s", match->path);
    for (int i = 0; i < match->want_count; i++)
        wants[i] =
            (NamingWant){match->wants[i].name, match->wants[i].tensor->rank,
                         match->wants[i].tensor->dims};
    Status status = naming_find(match->file, match->want_count, wants, naming);
    free(wants);
    TRY(status);
    bool good = true;
    for (int i = 0; i < match->entry_count && good; i++) {
        Entry *entry = &match->entries[i];
        const char *rest;
        entry->rest = naming_rest(naming, entry->name, &rest);
        if (entry->rest == NAMING_ENCODER)
            good = name_entry(entry, rest);
    }
    for (int i = 0; i < match->want_count && good; i++) {
        NamingPlace place = naming->places[i];
        if (place.tensor < 0)
            continue;
        good = name_entry(&match->entries[place.tensor], match->wants[i].name);
        match->entries[place.tensor].axes = place.axes;
        match->entries[place.tensor].used = true;
    }
    if (!good)
        return status_error(STATUS_MEMORY, "no memory to read %s", match->path);
    if (naming->title)
        say_names(match);
    return status_ok();
}

// Is `name` of an entry that a want took by its way of naming, while another
// one has it as its own? Then the other one steps back.
static bool settle_names(Match *match)
{
    bool good = true;
    for (int i = 1; i < match->entry_count && good; i++) {
        Entry *a = &match->entries[i - 1], *b = &match->entries[i];
        if (strcmp(a->name, b->name) != 0 || a->used == b->used)
            continue;
        Entry *back = a->used ? b : a;
        char name[MODEL_LINE];
        snprintf(name, sizeof name, "(%.200s)", back->tensor->name);
        good = name_entry(back, name);
    }
    return good;
}

// Opens the file and gives its tensors our names: by the map, else, unless it
// is our own, by a way of naming that is known.
static Status open_match(Match *match, const Renames *renames)
{
    int count = tensors_count(match->file);
    if (!renames && tensors_folded(match->file)) {
        char text[MODEL_LINE * 2];
        tensors_folded_text(match->file, text, sizeof text);
        return status_error(STATUS_DATA, "%s: %s", match->path, text);
    }
    match->entries = calloc((size_t)count + 1, sizeof *match->entries);
    if (!match->entries || !rename_entries(match, renames))
        return status_error(STATUS_MEMORY, "no memory to read %s", match->path);
    if (!renames && !match->own_names && !tensors_meta(match->file, "program"))
        TRY(find_names(match));
    qsort(match->entries, (size_t)count, sizeof *match->entries,
          compare_entries);
    if (!settle_names(match))
        return status_error(STATUS_MEMORY, "no memory to read %s", match->path);
    qsort(match->entries, (size_t)count, sizeof *match->entries,
          compare_entries);
    for (int i = 0; i < count; i++)
        match->entries[i].used = false;
    for (int i = 1; i < count; i++)
        if (strcmp(match->entries[i - 1].name, match->entries[i].name) == 0)
            return status_error(STATUS_DATA,
                                "%s: two tensors would both be named %s",
                                match->path, match->entries[i].name);
    return status_ok();
}

static Status open_file(Match *match)
{
    TRY(tensors_open(match->path, &match->file));
    return tensors_verify(match->file);
}

static void close_match(Match *match)
{
    for (int i = 0; i < match->entry_count; i++)
        free(match->entries[i].name);
    free(match->entries);
    free(match->wants);
    naming_free(&match->naming);
    tensors_close(match->file);
}

static Entry *find_entry(const Match *match, const char *name)
{
    Entry key = {.name = (char *)name};
    if (!match->entry_count)
        return NULL;
    return bsearch(&key, match->entries, (size_t)match->entry_count,
                   sizeof *match->entries, compare_entries);
}

// ---- the report -------------------------------------------------------------

__attribute__((format(printf, 3, 4))) static void
note(ModelReport *report, ModelDifference kind, const char *format, ...)
{
    va_list args;
    int at = report->counts[kind]++;
    if (at >= MODEL_SHOWN)
        return;
    va_start(args, format);
    vsnprintf(report->lines[kind][at], MODEL_LINE, format, args);
    va_end(args);
}

// A classifier of other classes than those it was trained for?
static bool is_classifier(const char *name, const PlanTensor *want, int rank,
                          const int64_t *dims)
{
    return (model_is_classifier(name) || name_matches("*.fc.*", name)) &&
           rank == want->rank && rank > 0 &&
           (rank == 1 || dims[1] == want->dims[1]);
}

static void match_want(Match *match, Want *want, const ModelFilter *filter)
{
    char wanted[96], found[128];
    const PlanTensor *tensor = want->tensor;
    want->from = find_entry(match, want->name);
    plan_shape_text(tensor->rank, tensor->dims, wanted, sizeof wanted);
    if (!want->from) {
        note(match->report, MODEL_MISSING, "%s  %s", want->name, wanted);
        return;
    }
    const SafeTensor *have = want->from->tensor;
    int64_t dims[SAFE_MAX_RANK];
    want->from->used = true;
    axes_dims(want->from->axes, have->rank, have->dims, dims);
    if (store_same_shape(tensor, have->rank, dims)) {
        match->report->matched++;
        return;
    }
    if (filter->new_classes && match->naming.title &&
        is_classifier(want->name, tensor, have->rank, dims)) {
        note(match->report, MODEL_MISSING, "%s  %s, for %lld classes there",
             want->name, wanted, (long long)dims[0]);
        want->from = NULL;
        return;
    }
    plan_shape_text(have->rank, dims, found, sizeof found);
    note(match->report, MODEL_SHAPE, "%s  %s in the file, %s in the program",
         want->name, found, wanted);
}

static bool is_known(const Plan *plan, const char *name)
{
    for (int i = 0; plan && i < plan->param_count; i++)
        if (strcmp(plan->params[i].tensor.name, name) == 0)
            return true;
    return false;
}

static void match_rest(Match *match, const ModelFilter *filter)
{
    ModelReport *report = match->report;
    for (int i = 0; i < match->entry_count; i++) {
        const Entry *entry = &match->entries[i];
        char shape[128];
        if (entry->used)
            continue;
        if (ends_with(entry->name, ".num_batches_tracked")) {
            report->counters++;
            continue;
        }
        if (model_leaves_out(entry->name) ||
            is_known(filter->known, entry->name) ||
            (filter->only && !name_matches(filter->only, entry->name)) ||
            (filter->except && name_matches(filter->except, entry->name)))
            continue;
        if (entry->rest == NAMING_SLOT || entry->rest == NAMING_COPY) {
            report->slots += entry->rest == NAMING_SLOT;
            report->copies += entry->rest == NAMING_COPY;
            continue;
        }
        plan_shape_text(entry->tensor->rank, entry->tensor->dims, shape,
                        sizeof shape);
        note(report, MODEL_EXTRA, "%s  %s", entry->name, shape);
        bool strange = entry->rest == NAMING_ENCODER;
        for (int w = 0; w < match->want_count && !strange; w++)
            strange = same_module(match->wants[w].name, entry->name);
        report->strange += strange;
    }
}

// The length of the line at `text`.
static int line_length(const char *text)
{
    return (int)strcspn(text, "\n");
}

// The line of `text` that sets the same parameter, or NULL.
static const char *same_parameter(const char *text, const char *line)
{
    size_t name = strcspn(line, "=\n");
    for (; *text; text += line_length(text), text += *text == '\n')
        if (strncmp(text, line, name) == 0 && text[name] == '=')
            return text;
    return NULL;
}

// Both are lines of "name = value". Settings of phases, "pretrain.batch", are
// those of different runs.
static void match_parameters(const char *theirs, const char *ours,
                             ModelReport *report)
{
    while (*ours) {
        int length = line_length(ours);
        const char *other = same_parameter(theirs, ours);
        bool of_phase = memchr(ours, '.', strcspn(ours, "=\n")) != NULL;
        if (other && !of_phase &&
            (line_length(other) != length ||
             strncmp(other, ours, (size_t)length) != 0)) {
            const char *value = strchr(ours, '=');
            value = value ? value + 1 + (value[1] == ' ') : ours;
            note(report, MODEL_PARAMETER, "%.*s in the file, %.*s here",
                 line_length(other), other, line_length(value), value);
        }
        ours += length;
        ours += *ours == '\n';
    }
}

static void match_all(Match *match, const ModelFilter *filter)
{
    for (int i = 0; i < match->want_count; i++)
        match_want(match, &match->wants[i], filter);
    match_rest(match, filter);
    const char *theirs = tensors_meta(match->file, "parameters");
    if (theirs && filter->parameters)
        match_parameters(theirs, filter->parameters, match->report);
}

bool model_agrees(const ModelReport *report)
{
    return !report->counts[MODEL_MISSING] && !report->counts[MODEL_EXTRA] &&
           !report->counts[MODEL_SHAPE];
}

void model_report_sentence(const ModelReport *report, char *text, size_t size)
{
    static const char *const what[] = {"missing in it", "extra in it",
                                       "of another shape"};
    size_t used = 0;
    text[0] = '\0';
    for (int k = 0; k <= MODEL_SHAPE && used < size; k++) {
        if (!report->counts[k])
            continue;
        const char *line = report->lines[k][0];
        int shown =
            k == MODEL_SHAPE ? (int)strlen(line) : (int)strcspn(line, " ");
        used += (size_t)snprintf(
            text + used, size - used, "%s%d tensor%s %s (%.*s%s)",
            used ? "; " : "", report->counts[k],
            report->counts[k] > 1 ? "s" : "", what[k], shown, line,
            report->counts[k] > 1 ? ", ..." : "");
    }
}

void model_report_table(const ModelReport *report, char text[MODEL_TEXT])
{
    static const char *const what[] = {
        "missing: in the program, not in the file",
        "extra: in the file, not in the program", "of another shape",
        "parameters differ"};
    int used = snprintf(text, MODEL_TEXT, "%6d tensor%s", report->matched,
                        report->matched == 1 ? " matches" : "s match");
    if (report->counters)
        used += snprintf(text + used, MODEL_TEXT - (size_t)used,
                         "\n%6d num_batches_tracked ignored", report->counters);
    if (report->slots)
        used += snprintf(text + used, MODEL_TEXT - (size_t)used,
                         "\n%6d of an optimizer or a trainer ignored",
                         report->slots);
    if (report->copies)
        used += snprintf(text + used, MODEL_TEXT - (size_t)used,
                         "\n%6d of another copy of the net ignored",
                         report->copies);
    for (int k = 0; k < MODEL_DIFFERENCES; k++) {
        int count = report->counts[k];
        if (k == MODEL_PARAMETER && !count)
            continue;
        used += snprintf(
            text + used, MODEL_TEXT - (size_t)used, "\n%6d %s", count,
            k == MODEL_PARAMETER && count == 1 ? "parameter differs" : what[k]);
        for (int i = 0; i < count && i < MODEL_SHOWN; i++)
            used += snprintf(text + used, MODEL_TEXT - (size_t)used,
                             "\n           %s", report->lines[k][i]);
        if (count > MODEL_SHOWN)
            used += snprintf(text + used, MODEL_TEXT - (size_t)used,
                             "\n           and %d more", count - MODEL_SHOWN);
    }
}

// ---- loading ----------------------------------------------------------------

// The name a store's tensor has in the file, or NULL when the filter leaves it
// out.
static const char *name_in_file(const StoreTensor *tensor,
                                const ModelFilter *filter)
{
    const char *name = tensor->param.tensor.name;
    int32_t role = tensor->param.role;
    if (role == PLAN_SLOT || role == PLAN_SUM ||
        (role == PLAN_FROZEN) != (filter->role == PLAN_FROZEN))
        return NULL;
    if (filter->prefix) {
        size_t length = strlen(filter->prefix);
        if (strncmp(name, filter->prefix, length) != 0)
            return NULL;
        name += length;
    }
    if (filter->only && !name_matches(filter->only, name))
        return NULL;
    if (filter->except && name_matches(filter->except, name))
        return NULL;
    return name;
}

static Status want_store(Match *match, Store *store, const ModelFilter *filter)
{
    match->wants = calloc((size_t)store->count + 1, sizeof *match->wants);
    if (!match->wants)
        return status_error(STATUS_MEMORY, "no memory to read %s", match->path);
    for (int i = 0; i < store->count; i++) {
        StoreTensor *tensor = &store->tensors[i];
        const char *name = name_in_file(tensor, filter);
        if (name)
            match->wants[match->want_count++] =
                (Want){name, &tensor->param.tensor, tensor, NULL};
    }
    return status_ok();
}

static Status want_plan(Match *match, const Plan *plan)
{
    match->wants = calloc((size_t)plan->param_count + 1, sizeof *match->wants);
    if (!match->wants)
        return status_error(STATUS_MEMORY, "no memory to read %s", match->path);
    for (int i = 0; i < plan->param_count; i++) {
        const PlanParam *param = &plan->params[i];
        if (param->role == PLAN_WEIGHT || param->role == PLAN_STATE)
            match->wants[match->want_count++] =
                (Want){param->tensor.name, &param->tensor, NULL, NULL};
    }
    return status_ok();
}

static Status read_tensor(const Match *match, const Entry *from,
                          StoreTensor *tensor)
{
    const SafeTensor *have = from->tensor;
    int32_t want = tensor->param.tensor.dtype;
    if ((int32_t)have->dtype == want)
        return tensors_read(match->file, from->index, tensor->data);
    if (!convert_can(have->dtype, want))
        return status_error(STATUS_DATA,
                            "%s: %s has element type %s, which this program "
                            "cannot use",
                            match->path, have->name,
                            safe_dtype_name(have->dtype));
    void *raw = malloc((size_t)have->bytes + 1);
    if (!raw)
        return status_error(STATUS_MEMORY, "no memory to read %s", match->path);
    Status status = tensors_read(match->file, from->index, raw);
    if (status.code == STATUS_OK)
        convert_elements(have->dtype, raw, want, tensor->data,
                         have->bytes / safe_dtype_bytes(have->dtype));
    free(raw);
    return status;
}

// Puts a tensor that was read into our order of axes.
static Status reorder(const Match *match, const Entry *from,
                      const PlanTensor *tensor, void *data)
{
    if (from->axes == AXES_OURS)
        return status_ok();
    void *theirs = malloc((size_t)tensor->bytes + 1);
    if (!theirs)
        return status_error(STATUS_MEMORY, "no memory to read %s", match->path);
    memcpy(theirs, data, (size_t)tensor->bytes);
    axes_copy(from->axes, from->tensor->rank, from->tensor->dims,
              plan_dtype_bytes(tensor->dtype), theirs, data);
    free(theirs);
    return status_ok();
}

static Status read_wants(Match *match)
{
    char text[640];
    if (match->report->counts[MODEL_SHAPE]) {
        model_report_sentence(match->report, text, sizeof text);
        return status_error(STATUS_DATA, "%s does not fit: %s", match->path,
                            text);
    }
    for (int i = 0; i < match->want_count; i++) {
        Want *want = &match->wants[i];
        if (!want->from)
            continue;
        TRY(read_tensor(match, want->from, want->to));
        TRY(reorder(match, want->from, want->tensor, want->to->data));
        TRY(tiles_settle(&want->to->param, want->to->data));
        want->to->loaded = true;
    }
    return status_ok();
}

static Status load(Match *match, Store *store, const ModelFilter *filter)
{
    TRY(open_file(match));
    TRY(want_store(match, store, filter));
    TRY(open_match(match, filter->renames));
    match_all(match, filter);
    return read_wants(match);
}

Status model_load(const char *path, Store *store, const ModelFilter *filter,
                  ModelReport *report)
{
    Match match = {.path = path, .report = report};
    *report = (ModelReport){0};
    Status status = load(&match, store, filter);
    close_match(&match);
    return status;
}

Status model_compare(const char *path, const Plan *plan, const char *parameters,
                     ModelReport *report)
{
    Match match = {.path = path, .report = report, .own_names = true};
    ModelFilter filter = {.parameters = parameters};
    *report = (ModelReport){0};
    Status status = open_file(&match);
    if (status.code == STATUS_OK)
        status = want_plan(&match, plan);
    if (status.code == STATUS_OK)
        status = open_match(&match, NULL);
    if (status.code == STATUS_OK)
        match_all(&match, &filter);
    close_match(&match);
    return status;
}

// ---- metadata ---------------------------------------------------------------

Status model_note(const char *path, const char *key, char **lines)
{
    TensorFile *file;
    *lines = NULL;
    TRY(tensors_open(path, &file));
    const char *text = tensors_meta(file, key);
    if (text && *text)
        *lines = strdup(text);
    tensors_close(file);
    return status_ok();
}

Status model_recognized(const char *path, char **lines)
{
    TensorFile *file;
    Recognized net;
    char text[MODEL_LINE * 2] = "";
    *lines = NULL;
    TRY(tensors_open(path, &file));
    Status status = status_ok();
    if (!tensors_meta(file, "program"))
        status = recognize(file, &net);
    if (status.code == STATUS_OK && !tensors_meta(file, "program"))
        recognized_lines(&net, text, sizeof text);
    tensors_close(file);
    if (*text)
        *lines = strdup(text);
    return status;
}

Status model_parameters(const char *path, char **lines)
{
    TRY(model_note(path, "parameters", lines));
    return *lines ? status_ok() : model_recognized(path, lines);
}

void model_parameter(const char *lines, const char *name, char *value,
                     size_t size)
{
    char wanted[128];
    value[0] = '\0';
    snprintf(wanted, sizeof wanted, "%s =", name);
    const char *line = lines ? same_parameter(lines, wanted) : NULL;
    if (!line)
        return;
    line += strlen(wanted);
    line += *line == ' ';
    snprintf(value, size, "%.*s", line_length(line), line);
}
