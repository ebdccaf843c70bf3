// Makes one table, report.json and ratios.png of what the measuring programs
// wrote. A ratio is the peer's time (or memory) over simcc's: above 1, simcc is
// ahead.
//   report  reads peak.tsv, compile.tsv, conv.tsv, steps.tsv in $BUILD/bench
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/chart.h"
#include "bench/records.h"
#include "runtime/base/file.h"

// Words of the records; see the programs that write them.
enum { PEAK_THREADS = 1, PEAK_VECTOR, PEAK_GFLOPS };
enum {
    CONV_SHAPE = 1,
    CONV_DIRECTION,
    CONV_THREADS,
    CONV_GFLOP,
    CONV_SIMCC,
    CONV_WEIGHTS,
    CONV_DIRECT,
    CONV_LAST,
    CONV_WINOGRAD,
    CONV_DIRECT_MOVE,
    CONV_LAST_MOVE,
    CONV_WINOGRAD_MOVE,
    CONV_DIFFERENCE,
    CONV_USES
};
enum {
    STEP_CASE = 1,
    STEP_PEER,
    STEP_MS,
    STEP_LEAST,
    STEP_MOST,
    STEP_RSS,
    STEP_SLAB,
    STEP_LOSS
};
enum { MISSING_CASE = 1, MISSING_PEER, MISSING_REASON };
enum {
    COMPILE_CASE = 1,
    COMPILE_RSS,
    COMPILE_COLD,
    COMPILE_CHANGED,
    COMPILE_WARM,
    COMPILE_COLD_CPU,
    COMPILE_CHANGED_CPU,
    COMPILE_WARM_CPU
};
enum { FIRST_CASE = 1, FIRST_PEER, FIRST_COLD, FIRST_WARM };

// Of the convolutions that are behind; all are in report.json.
enum { LIST_LINES = 60 };

typedef struct Report {
    Arena *arena;
    const char *folder;
    RecordList peaks, compiles, convs, steps, firsts, missing, onednn;
    VEC(ChartBar) bars;
    Text json;
} Report;

static RecordList read_records(const Report *report, const char *file,
                               const char *kind)
{
    const char *path =
        arena_printf(report->arena, "%s/%s", report->folder, file);
    return records_read(report->arena, path, kind);
}

static void add_bar(Report *report, const char *label, double ratio)
{
    ChartBar bar = {label, ratio};
    vec_push(report->arena, &report->bars, bar);
}

static double ratio_of(double peer, double own)
{
    return own > 0 ? peer / own : 0;
}

// ---- peak -------------------------------------------------------------------

static double peak_of(const Report *report, int threads)
{
    for (int i = 0; i < report->peaks.count; i++)
        if ((int)record_number(&report->peaks.at[i], PEAK_THREADS) == threads)
            return record_number(&report->peaks.at[i], PEAK_GFLOPS);
    return 0;
}

static void report_peaks(Report *report)
{
    text_add(&report->json, "\"peak\":[");
    for (int i = 0; i < report->peaks.count; i++) {
        const Record *peak = &report->peaks.at[i];
        printf("peak of %s thread%s, %s: %s GFLOP/s\n",
               record_text(peak, PEAK_THREADS),
               record_number(peak, PEAK_THREADS) == 1 ? "" : "s",
               record_text(peak, PEAK_VECTOR), record_text(peak, PEAK_GFLOPS));
        text_addf(&report->json, "%s{\"threads\":%s,\"gflops\":%s}",
                  i ? "," : "", record_text(peak, PEAK_THREADS),
                  record_text(peak, PEAK_GFLOPS));
    }
    text_add(&report->json, "]");
}

// ---- convolutions -----------------------------------------------------------

// The faster of the direct layouts that ran; 0 without oneDNN.
static double best_direct(const Record *conv)
{
    double blocked = record_number(conv, CONV_DIRECT);
    double last = record_number(conv, CONV_LAST);
    if (blocked > 0 && last > 0)
        return blocked < last ? blocked : last;
    return blocked > 0 ? blocked : last;
}

// The same with what a training step does about their weights.
static double best_direct_in_step(const Record *conv)
{
    double blocked = record_number(conv, CONV_DIRECT);
    double last = record_number(conv, CONV_LAST);
    double blocked_all = blocked + record_number(conv, CONV_DIRECT_MOVE);
    double last_all = last + record_number(conv, CONV_LAST_MOVE);
    if (blocked > 0 && last > 0)
        return blocked_all < last_all ? blocked_all : last_all;
    return blocked > 0 ? blocked_all : last_all;
}

static double conv_ratio(const Record *conv)
{
    return ratio_of(best_direct(conv), record_number(conv, CONV_SIMCC));
}

// Milliseconds that one of it is slower than oneDNN.
static double conv_loss(const Record *conv)
{
    return record_number(conv, CONV_SIMCC) - best_direct(conv);
}

static int compare_losses(const void *a, const void *b)
{
    double x = conv_loss(*(const Record *const *)a);
    double y = conv_loss(*(const Record *const *)b);
    return (x < y) - (x > y);
}

// All convolutions of a case's step in one direction, as often as it has them.
typedef struct ConvSum {
    int kinds, behind;
    double simcc, direct, in_step, fastest, gflop;
} ConvSum;

static ConvSum sum_convs(const Report *report, int bench, const char *direction,
                         int threads)
{
    ConvSum sum = {0};
    for (int i = 0; i < report->convs.count; i++) {
        const Record *conv = &report->convs.at[i];
        double uses = record_number(conv, CONV_USES + bench);
        if (uses == 0 || (int)record_number(conv, CONV_THREADS) != threads ||
            strcmp(record_text(conv, CONV_DIRECTION), direction) != 0)
            continue;
        double direct = best_direct(conv);
        double winograd = record_number(conv, CONV_WINOGRAD);
        bool better = winograd > 0 && winograd < direct;
        sum.kinds++;
        sum.behind += direct > 0 && conv_ratio(conv) < 1;
        sum.simcc += uses * record_number(conv, CONV_SIMCC);
        sum.direct += uses * direct;
        sum.in_step += uses * best_direct_in_step(conv);
        sum.fastest += uses * (better ? winograd : direct);
        sum.gflop += uses * record_number(conv, CONV_GFLOP);
    }
    return sum;
}

static void report_sum(Report *report, int bench, const char *direction,
                       int threads)
{
    ConvSum sum = sum_convs(report, bench, direction, threads);
    double peak = peak_of(report, threads);
    double ratio = ratio_of(sum.direct, sum.simcc);
    if (sum.kinds == 0)
        return;
    printf("%-28s %-10s %2d %9.1f %9.1f %6.2f %8.2f %6.2f %6.0f%% %5d of %d\n",
           bench_cases[bench].title, direction, threads, sum.simcc, sum.direct,
           ratio, ratio_of(sum.in_step, sum.simcc),
           ratio_of(sum.fastest, sum.simcc),
           peak > 0 ? 1e5 * sum.gflop / sum.simcc / peak : 0, sum.behind,
           sum.kinds);
    if (sum.direct > 0 && threads == bench_cores())
        add_bar(report,
                arena_printf(report->arena, "convs %s, %s", direction,
                             bench_cases[bench].id),
                ratio);
}

static void print_behind(const Report *report)
{
    const Record **list =
        ARENA_ARRAY(report->arena, const Record *, report->convs.count + 1);
    int count = 0;
    for (int i = 0; i < report->convs.count; i++) {
        double ratio = conv_ratio(&report->convs.at[i]);
        if (ratio > 0 && ratio < 1)
            list[count++] = &report->convs.at[i];
    }
    qsort(list, (size_t)count, sizeof *list, compare_losses);
    printf("\n%d of %d convolutions are behind oneDNN's direct kernels; those "
           "that lose most:\n%-28s %-10s %2s %9s %9s %6s %8s\n",
           count, report->convs.count, "shape", "direction", "th", "simcc ms",
           "oneDNN ms", "ratio", "in step*");
    for (int i = 0; i < count && i < LIST_LINES; i++) {
        double simcc = record_number(list[i], CONV_SIMCC);
        printf("%-28s %-10s %2s %9.3f %9.3f %6.2f %8.2f\n",
               record_text(list[i], CONV_SHAPE),
               record_text(list[i], CONV_DIRECTION),
               record_text(list[i], CONV_THREADS), simcc, best_direct(list[i]),
               conv_ratio(list[i]),
               ratio_of(best_direct_in_step(list[i]), simcc));
    }
}

static void json_convs(Report *report)
{
    text_add(&report->json, ",\"convolutions\":[");
    for (int i = 0; i < report->convs.count; i++) {
        const Record *conv = &report->convs.at[i];
        text_addf(
            &report->json,
            "%s\n{\"shape\":\"%s\",\"direction\":\"%s\",\"threads\":%s,"
            "\"gflop\":%s,\"simcc_ms\":%s,\"weights_ms\":%s,"
            "\"onednn_blocked_ms\":%s,\"onednn_nhwc_ms\":%s,"
            "\"onednn_winograd_ms\":%s,\"onednn_blocked_move_ms\":%s,"
            "\"onednn_nhwc_move_ms\":%s,\"onednn_winograd_move_ms\":%s,"
            "\"difference\":%s,\"ratio\":%.4f}",
            i ? "," : "", record_text(conv, CONV_SHAPE),
            record_text(conv, CONV_DIRECTION), record_text(conv, CONV_THREADS),
            record_text(conv, CONV_GFLOP), record_text(conv, CONV_SIMCC),
            record_text(conv, CONV_WEIGHTS), record_text(conv, CONV_DIRECT),
            record_text(conv, CONV_LAST), record_text(conv, CONV_WINOGRAD),
            record_text(conv, CONV_DIRECT_MOVE),
            record_text(conv, CONV_LAST_MOVE),
            record_text(conv, CONV_WINOGRAD_MOVE),
            record_text(conv, CONV_DIFFERENCE), conv_ratio(conv));
    }
    text_add(&report->json, "]");
}

static void report_convs(Report *report)
{
    static const char *const directions[] = {"forward", "by data",
                                             "by weights"};
    const char *version =
        report->onednn.count ? record_text(&report->onednn.at[0], 1) : "-";
    int cores = bench_cores();
    printf("\nAll convolutions of a step, one by one, against oneDNN %s%s\n",
           version, strcmp(version, "-") == 0 ? " (not installed)" : "");
    printf("%-28s %-10s %2s %9s %9s %6s %8s %6s %7s %s\n", "step", "direction",
           "th", "simcc ms", "direct ms", "ratio", "in step*", "best+",
           "of peak", "behind");
    for (int threads = 1; threads <= cores; threads += cores - 1) {
        for (int bench = 0; bench < BENCH_CASES; bench++)
            for (int d = 0; d < 3; d++)
                report_sum(report, bench, directions[d], threads);
        if (cores == 1)
            break;
    }
    puts("* the ratio when oneDNN, too, brings the weights into a kernel's "
         "layout "
         "in every step, as simcc does\n"
         "+ the ratio when oneDNN may use Winograd, as versions up to 3.1 can");
    if (report->convs.count && strcmp(version, "-") != 0)
        print_behind(report);
    json_convs(report);
}

// ---- steps ------------------------------------------------------------------

// A row of peers.def.
typedef struct PeerTitle {
    const char *id, *title;
    const char *against; // whose time and memory its own are divided by
} PeerTitle;

static PeerTitle find_peer(const char *id)
{
    static const PeerTitle peers[] = {
#define PEER(peer, title, program, mode, quick, against)                       \
    {#peer, title, against},
#include "bench/peers.def"
#undef PEER
    };
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++)
        if (strcmp(peers[i].id, id) == 0)
            return peers[i];
    return (PeerTitle){id, id, "simcc"};
}

static const Record *step_of(const Report *report, const char *bench,
                             const char *peer)
{
    for (int i = 0; i < report->steps.count; i++)
        if (strcmp(record_text(&report->steps.at[i], STEP_CASE), bench) == 0 &&
            strcmp(record_text(&report->steps.at[i], STEP_PEER), peer) == 0)
            return &report->steps.at[i];
    return NULL;
}

static void report_step(Report *report, const Record *step, bool first)
{
    const char *id = record_text(step, STEP_CASE);
    const BenchCase *bench = bench_case_by_id(id);
    const char *peer = record_text(step, STEP_PEER);
    PeerTitle who = find_peer(peer);
    const Record *own = step_of(report, id, who.against);
    bool is_own = strncmp(peer, "simcc", strlen("simcc")) == 0;
    double ratio = own ? ratio_of(record_number(step, STEP_MS),
                                  record_number(own, STEP_MS))
                       : 0;
    double least = own ? ratio_of(record_number(step, STEP_LEAST),
                                  record_number(own, STEP_LEAST))
                       : 0;
    double memory = own ? ratio_of(record_number(step, STEP_RSS),
                                   record_number(own, STEP_RSS))
                        : 0;
    if (step == own)
        printf("%s\n", bench ? bench->title : id);
    printf("  %-24s %9.1f %9.1f %9.1f %6.2f %6.2f %8.0f %6.2f\n", who.title,
           record_number(step, STEP_MS), record_number(step, STEP_LEAST),
           record_number(step, STEP_MOST), ratio, least,
           record_number(step, STEP_RSS) / 1024, memory);
    text_addf(&report->json,
              "%s\n{\"case\":\"%s\",\"peer\":\"%s\",\"ms\":%s,\"least_ms\":%s,"
              "\"most_ms\":%s,\"rss_kb\":%s,\"slab_kb\":%s,\"ratio\":%.4f,"
              "\"least_ratio\":%.4f,\"memory_ratio\":%.4f}",
              first ? "" : ",", id, peer, record_text(step, STEP_MS),
              record_text(step, STEP_LEAST), record_text(step, STEP_MOST),
              record_text(step, STEP_RSS), record_text(step, STEP_SLAB), ratio,
              least, memory);
    if (!is_own)
        add_bar(report,
                arena_printf(report->arena, "step %s: %s", id, who.title),
                ratio);
}

static void report_steps(Report *report)
{
    printf("\nWhole training steps; threads: %d\n"
           "  %-24s %9s %9s %9s %6s %6s %8s %6s\n",
           bench_cores(), "", "ms", "least", "most", "ratio", "least",
           "peak MB", "ratio");
    add_bar(report, "", 0);
    text_add(&report->json, ",\"steps\":[");
    for (int i = 0; i < report->steps.count; i++)
        report_step(report, &report->steps.at[i], i == 0);
    text_add(&report->json, "]");
    puts("* its ratios are to simcc's own in bf16");
    for (int i = 0; i < report->missing.count; i++) {
        const Record *missing = &report->missing.at[i];
        printf("  no %s in %s: %s\n",
               find_peer(record_text(missing, MISSING_PEER)).title,
               record_text(missing, MISSING_CASE),
               record_text(missing, MISSING_REASON));
    }
}

// ---- compiling --------------------------------------------------------------

static const char *compiled_title(const char *id)
{
    const BenchCase *bench = bench_case_by_id(id);
    if (strcmp(id, BENCH_LARGEST) == 0)
        return "ResNet-152 3x + SK, pretraining";
    return bench ? bench->title : id;
}

// Seconds, or nothing where there was no such run.
static void print_seconds(double ms)
{
    if (ms > 0)
        printf(" %9.2f", 1e-3 * ms);
    else
        printf(" %9s", "");
}

// `rest`: further members for the JSON.
static void report_compile(Report *report, const char *id, const char *peer,
                           const double ms[3], const char *rest)
{
    printf("%-36s %-16s", compiled_title(id), find_peer(peer).title);
    for (int i = 0; i < 3; i++)
        print_seconds(ms[i]);
    puts("");
    bool first = report->json.at[report->json.length - 1] == '[';
    text_addf(&report->json,
              "%s\n{\"case\":\"%s\",\"peer\":\"%s\",\"cold_ms\":%.1f,"
              "\"changed_ms\":%.1f,\"warm_ms\":%.1f%s}",
              first ? "" : ",", id, peer, ms[0], ms[1], ms[2], rest);
}

static void report_own_compile(Report *report, const Record *compile)
{
    const double ms[] = {record_number(compile, COMPILE_COLD),
                         record_number(compile, COMPILE_CHANGED),
                         record_number(compile, COMPILE_WARM)};
    const char *rest = arena_printf(report->arena,
                                    ",\"cold_cpu_ms\":%s,\"changed_cpu_ms\":%s,"
                                    "\"warm_cpu_ms\":%s,\"rss_kb\":%s",
                                    record_text(compile, COMPILE_COLD_CPU),
                                    record_text(compile, COMPILE_CHANGED_CPU),
                                    record_text(compile, COMPILE_WARM_CPU),
                                    record_text(compile, COMPILE_RSS));
    report_compile(report, record_text(compile, COMPILE_CASE), "simcc", ms,
                   rest);
}

// What a peer's first step takes longer than another one.
static void report_first(Report *report, const Record *first)
{
    const char *id = record_text(first, FIRST_CASE);
    const char *peer = record_text(first, FIRST_PEER);
    const Record *step = step_of(report, id, peer);
    double usual = step ? record_number(step, STEP_MS) : 0;
    double warm = record_number(first, FIRST_WARM);
    const double ms[] = {record_number(first, FIRST_COLD) - usual, 0,
                         warm > 0 ? warm - usual : 0};
    report_compile(report, id, peer, ms, "");
}

static void report_compiles(Report *report)
{
    printf("\nCompiling, seconds: on an empty cache; another learning rate; "
           "the same again\n%-36s %-16s %9s %9s %9s\n",
           "step", "", "cold", "changed", "warm");
    text_add(&report->json, ",\"compile\":[");
    for (int i = 0; i < report->compiles.count; i++) {
        const Record *compile = &report->compiles.at[i];
        const char *id = record_text(compile, COMPILE_CASE);
        report_own_compile(report, compile);
        for (int k = 0; k < report->firsts.count; k++)
            if (strcmp(record_text(&report->firsts.at[k], FIRST_CASE), id) == 0)
                report_first(report, &report->firsts.at[k]);
    }
    text_add(&report->json, "]");
}

// ---- all of it --------------------------------------------------------------

static void write_files(Report *report)
{
    const char *json =
        arena_printf(report->arena, "%s/report.json", report->folder);
    const char *chart =
        arena_printf(report->arena, "%s/ratios.png", report->folder);
    const char *text = text_string(&report->json);
    Status status = file_write(json, text, (int64_t)strlen(text));
    bench_require(&status);
    status = chart_write(chart, "time of the peer / time of simcc",
                         report->bars.at, report->bars.count);
    bench_require(&status);
    printf("\n%s\n%s\n", json, chart);
}

int main(void)
{
    Report report = {.arena = arena_new()};
    report.folder = bench_folder(report.arena);
    report.json = text_new(report.arena);
    report.peaks = read_records(&report, "peak.tsv", "peak");
    report.compiles = read_records(&report, "compile.tsv", "compile");
    report.firsts = read_records(&report, "steps.tsv", "first");
    report.convs = read_records(&report, "conv.tsv", "conv");
    report.onednn = read_records(&report, "conv.tsv", "onednn");
    report.steps = read_records(&report, "steps.tsv", "step");
    report.missing = read_records(&report, "steps.tsv", "missing");
    text_add(&report.json, "{");
    report_peaks(&report);
    report_convs(&report);
    report_steps(&report);
    report_compiles(&report);
    text_add(&report.json, "}\n");
    write_files(&report);
    arena_free(report.arena);
    return 0;
}
