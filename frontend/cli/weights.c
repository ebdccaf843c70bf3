// simcc weights: what a file of weights holds, whoever wrote it.
#include "frontend/cli/cli.h"

#include "runtime/exec/program.h"
#include "runtime/files/recognize.h"

#include <stdio.h>
#include <string.h>

// "a PyTorch file (zip): torch.save of PyTorch 1.6 or later", or which program
// and phase of ours.
static const char *describe_file(Arena *arena, const TensorFile *file)
{
    const char *format = tensors_format(file), *writer = tensors_writer(file);
    const char *program = tensors_meta(file, "program");
    const char *phase = tensors_meta(file, "phase");
    const char *step = tensors_meta(file, "step");
    const char *other = tensors_meta(file, "format");
    if (phase)
        writer = arena_printf(arena, "simcc, %s %s%s%s",
                              program && tensors_meta(file, "sums") == NULL
                                  ? program
                                  : "a checkpoint of",
                              phase, step ? " at step " : "", step ? step : "");
    else if (other && strcmp(other, "pt") == 0)
        writer = "of PyTorch's tensors";
    return *writer ? arena_printf(arena, "%s: %s", format, writer) : format;
}

static bool is_ours(const TensorFile *file)
{
    return tensors_meta(file, "phase") != NULL;
}

// What stands for the net: its size and whose names it has.
static const char *describe_net(Arena *arena, const TensorFile *file,
                                const Recognized *net)
{
    char text[600];
    if (tensors_folded(file)) {
        tensors_folded_text(file, text, sizeof text);
        return arena_printf(arena, "%s", cli_plain(arena, text));
    }
    if (!net->title)
        return is_ours(file)
                   ? "names are the program's own"
                   : "no net under names that are known: --init-map MAP "
                     "says which tensor is which";
    recognized_text(net, text, sizeof text);
    if (is_ours(file))
        return arena_printf(arena, "%s", text);
    return arena_printf(arena, "%s; names are %s%s%s", text, net->title,
                        *net->root ? ", below " : "",
                        cli_plain(arena, net->root));
}

static int64_t total_bytes(const TensorFile *file)
{
    int64_t bytes = 0;
    for (int i = 0; i < tensors_count(file); i++)
        if (__builtin_add_overflow(bytes, tensors_at(file, i)->bytes, &bytes))
            return INT64_MAX;
    return bytes;
}

static void print_table(Arena *arena, const TensorFile *file)
{
    int count = tensors_count(file), width = 0;
    for (int i = 0; i < count; i++) {
        int length = (int)strlen(tensors_at(file, i)->name);
        width = length > width && length <= 100 ? length : width;
    }
    for (int i = 0; i < count; i++) {
        const SafeTensor *tensor = tensors_at(file, i);
        char shape[160];
        plan_shape_text(tensor->rank, tensor->dims, shape, sizeof shape);
        printf("  %-*s  %-4s %s\n", width, cli_plain(arena, tensor->name),
               safe_dtype_name(tensor->dtype), shape);
    }
}

static void print_text(Cli *cli, const TensorFile *file, const Recognized *net)
{
    char lines[512];
    int slots = 0, count = tensors_count(file);
    printf("%s: %s\n", cli->words[0],
           cli_plain(cli->arena, describe_file(cli->arena, file)));
    printf("%s\n", describe_net(cli->arena, file, net));
    for (int i = 0; i < 2 && net->title && !is_ours(file); i++)
        if (net->notes[i])
            printf("%s\n", net->notes[i]);
    recognized_lines(net, lines, sizeof lines);
    if (*lines && !is_ours(file)) {
        printf("models/simclrv2.net is set to it by --init and --weights:");
        for (char *line = lines; *line; line += strcspn(line, "\n") + 1)
            printf("%s %.*s", line == lines ? "" : ",",
                   (int)strcspn(line, "\n"), line);
        printf("\n");
    }
    for (int i = 0; i < count; i++)
        slots += naming_is_slot(tensors_at(file, i)->name);
    printf("%d tensor%s, %.1f MB", count, text_s(count),
           (double)total_bytes(file) / 1e6);
    if (slots)
        printf(", %d of them an optimizer's or a trainer's", slots);
    printf("\n");
    print_table(cli->arena, file);
}

static void add_text(Text *text, const char *name, const char *value)
{
    text_addf(text, ",\"%s\":", name);
    text_add_json(text, value);
}

static void add_net(Text *text, const Recognized *net)
{
    if (net->net)
        text_addf(text, ",\"net\":{\"name\":\"%s\",\"classes\":%lld", net->net,
                  (long long)net->classes);
    else
        text_addf(text,
                  ",\"net\":{\"depth\":%d,\"filters\":%lld,\"bottleneck\":%s,"
                  "\"stem\":%d,\"deep_stem\":%s,\"first_projection\":%s,"
                  "\"sk_ratio\":%g,\"se_ratio\":%g,\"classes\":%lld,"
                  "\"head_layers\":%d,\"head_out\":%lld",
                  net->depth, (long long)net->filters,
                  net->bottleneck ? "true" : "false", net->window,
                  net->deep ? "true" : "false",
                  net->projects ? "true" : "false", net->sk_ratio,
                  net->se_ratio, (long long)net->classes, net->head_layers,
                  (long long)net->head_out);
    add_text(text, "names", net->title);
    add_text(text, "below", net->root);
    text_add(text, ",\"notes\":[");
    for (int i = 0, count = 0; i < 2; i++)
        if (net->notes[i]) {
            text_add(text, count++ ? "," : "");
            text_add_json(text, net->notes[i]);
        }
    text_add(text, "]}");
}

static void print_json(Cli *cli, const TensorFile *file, const Recognized *net)
{
    Text text = text_new(cli->arena);
    text_add(&text, "{\"file\":");
    text_add_json(&text, cli->words[0]);
    add_text(&text, "format", tensors_format(file));
    add_text(&text, "description", describe_file(cli->arena, file));
    if (net->title)
        add_net(&text, net);
    if (tensors_folded(file))
        add_text(&text, "folded", tensors_folded(file));
    text_addf(&text, ",\"bytes\":%lld,\"tensors\":[",
              (long long)total_bytes(file));
    for (int i = 0; i < tensors_count(file); i++) {
        const SafeTensor *tensor = tensors_at(file, i);
        text_add(&text, i ? ",{\"name\":" : "{\"name\":");
        text_add_json(&text, tensor->name);
        text_addf(&text, ",\"dtype\":\"%s\",\"shape\":[",
                  safe_dtype_name(tensor->dtype));
        for (int d = 0; d < tensor->rank; d++)
            text_addf(&text, "%s%lld", d ? "," : "",
                      (long long)tensor->dims[d]);
        text_add(&text, "]}");
    }
    text_add(&text, "]}");
    puts(text_string(&text));
}

int command_weights(Cli *cli)
{
    TensorFile *file;
    Recognized net;
    CLI_TRY(cli, tensors_open(cli->words[0], &file));
    Status status = tensors_verify(file);
    if (status.code == STATUS_OK)
        status = recognize(file, &net);
    if (status.code == STATUS_OK && cli_has(cli, OPT_json))
        print_json(cli, file, &net);
    else if (status.code == STATUS_OK)
        print_text(cli, file, &net);
    tensors_close(file);
    return status.code == STATUS_OK ? STATUS_OK : cli_fail(cli, &status);
}
