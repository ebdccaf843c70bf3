// Says what is on pictures: ./net PICTURE... prints a line for each, with the
// most probable classes and their probabilities, as `simcc predict --top` does.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net.h>

enum { MOST = 5 };

// Picks the most probable class and takes it out.
static int next_class(double *probabilities, int count)
{
    int best = 0;
    for (int i = 1; i < count; i++)
        if (probabilities[i] > probabilities[best])
            best = i;
    return best;
}

// A field of a table of commas.
static void print_field(const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        printf("%s", text);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_row(const SimccNet *net, const char *name,
                      double *probabilities)
{
    int width = simcc_width(net);
    print_field(name);
    if (simcc_classify(net, 0, probabilities) < 0)
        printf(",,");
    else
        for (int k = 0; k < MOST && k < width; k++) {
            int class_ = next_class(probabilities, width);
            const char *word = simcc_class(net, class_);
            putchar(',');
            if (word)
                print_field(word);
            else
                printf("%d", class_);
            printf(",%.6g", probabilities[class_]);
            probabilities[class_] = -1;
        }
    printf("\n");
}

int main(int argc, char **argv)
{
    char error[SIMCC_ERROR];
    SimccNet *net;
    SimccOptions options = {.threads = 2, .weights = NET_WEIGHTS};
    int failed = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: %s PICTURE...\n", argv[0]);
        return SIMCC_USAGE;
    }
    if (simcc_init(&net_model, &options, &net, error) != SIMCC_OK) {
        fprintf(stderr, "%s: %s\n", argv[0], error);
        return EXIT_FAILURE;
    }
    double *probabilities =
        malloc((size_t)simcc_width(net) * sizeof *probabilities);
    for (int i = 1; i < argc && probabilities; i++) {
        SimccPicture picture;
        if (simcc_read(&net_model, argv[i], &picture, error) != SIMCC_OK ||
            simcc_put(net, 0, &picture, error) != SIMCC_OK) {
            fprintf(stderr, "%s: %s\n", argv[0], error);
            failed = 1;
        } else {
            simcc_run(net);
            print_row(net, argv[i], probabilities);
        }
        simcc_drop(&picture);
    }
    free(probabilities);
    simcc_free(net);
    return failed;
}
