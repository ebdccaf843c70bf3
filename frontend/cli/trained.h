// What weights know of the data that they were trained on.
#ifndef SIMCC_CLI_TRAINED_H
#define SIMCC_CLI_TRAINED_H

#include "frontend/cli/job.h"

// Another phase's weights are taken where shapes agree: warns of it.
Status trained_phase(const Job *job);
// Weights are tried on images that they were not trained on: those held out
// then, unless the command line wants others.
Status trained_held_out(Job *job, DataOptions *options);
// Warns when weights that one of the phases at `phases` starts from may have
// seen images that are held out or set aside now: those of a phase of an
// earlier run in --out, or ours in --init.
Status trained_sources(const Job *job, int count, const int *phases);
// How many images the run of the weights was trained on, where these lie in its
// directory and it had the job's data; else 0.
int64_t trained_images(const Job *job);
// How many of the training images that the run of the weights has noted are, by
// their bytes, among those of these parts, a bit each; of *noted. 0 of 0 where
// the weights do not lie in a run's directory.
int trained_marked(const Job *job, unsigned splits, int *noted);
// Gives the data's classes the order that the weights know them in.
// STATUS_DATA, with both lists, when they know others.
Status trained_classes(const Job *job);
// How many classes the teacher of a phase to be run tells apart, for data that
// has none; 0 where there is no teacher yet, or it does not say.
Status trained_teacher(const Job *job, const Experiment *experiment,
                       int *classes);

#endif
