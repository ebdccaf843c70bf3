// What commands that work with weights share: a program, from source or
// artifact, and the data it works on.
#ifndef SIMCC_FRONTEND_CLI_JOB_H
#define SIMCC_FRONTEND_CLI_JOB_H

#include "frontend/cli/cli.h"
#include "runtime/base/rundir.h"
#include "runtime/train/train.h"

typedef struct Job {
    Cli *cli;
    Program *program;
    Dataset *data;
    const char *data_path; // of --data: this process's
    bool has_part;         // which names a part of its own: {rank}
    TrainOptions options;
    bool checks;       // nothing is run, no machine code made, and little said
    bool fed;          // job_check_sets has found images for all batches
    const char *value; // compile this value of the phase alone; NULL = train
    DataSplit tried;   // the part that eval evaluates
    bool whole;        // all of the data, which are then that part
    bool streams;      // the images are named on standard input, one by one
    int min_side;      // as DataOptions.min_side, of these
    int channels;      // likewise
    // The line of progress.
    bool live;           // it is rewritten in place
    bool on_screen;      // and stands there now
    double told, logged; // seconds on the clock
} Job;

// Opens everything that FILE, the PHASE words and the options name; says on
// standard error what was found. Returns an exit code; job_close in any case.
int job_open(Job *job, Cli *cli);
// The same without machine code: are source, settings, options and data in
// order, and does the machine have memory for all?
int job_check(Job *job, Cli *cli);
// The same of a job that has been checked, for another --seed and --out of its
// command line, by the plans that it has.
int job_check_again(Job *job);
// Makes the parts that the processes have opened one set. They call it once all
// have opened theirs; does nothing where all read one.
Status job_join_data(Job *job);
// The same as job_open, but the phase's evaluation plan computes the named
// value, and nothing is trained.
int job_open_value(Job *job, Cli *cli, const char *value);
// The program and the shapes of its weights alone: no data, no machine code.
int job_open_program(Job *job, Cli *cli);
// The same, and the phase with the graph of a named value, as the front end
// makes it, in ExperimentPhase.value; it lives as long as `cli`.
int job_open_graph(Job *job, Cli *cli, const char *value,
                   const ExperimentPhase **phase);
// The same with the machine code of that value, for a processor and so many
// images at a time (0: as many as the phase's evaluation takes), in the phase's
// `eval`. *min_side is DataOptions.min_side of pictures for it.
int job_open_code(Job *job, Cli *cli, const char *value, const char *target,
                  int rows, int *min_side);
void job_close(Job *job);
// Are there images for the batches and labels of these phases of the program,
// by their places? Once for a run: as early as program and data are known.
// STATUS_DATA with all that are not; STATUS_FAILED where a run goes on with
// other settings than it was begun with.
Status job_check_sets(Job *job, const Program *program, int count,
                      const int *phases);
// Fills the job's options from its command line: the first step of each of
// these.
Status job_read_options(Job *job);
// The phase's place in the program; it is there once the job is open.
int job_phase(const Job *job, const char *name);

// Says what was decided about the set at `path`.
void job_tell_notes(const Cli *cli, const char *path, const Dataset *data);

// The file of --weights, or the phase's model in --out.
Status job_weights(const Job *job, char path[RUNDIR_PATH]);

// Writes a result to standard output: one line, or JSON with --json, with
// further members ("\"name\":...", parted by commas; NULL = none).
void job_print_result(Job *job, const TrainResult *result, const char *members);
// A number, or null where it is none.
void job_add_json_number(Text *text, double value);

// Takes the line of progress off the screen.
void job_clear_line(Job *job);

// The parts of the data that --split names (all without it), a bit each: 0 is
// training, 1 testing, 2 validation. STATUS_USAGE for another word.
Status job_splits(const Cli *cli, unsigned *splits);
// Images in those parts.
int64_t job_count_images(const Job *job, unsigned splits);

#endif
