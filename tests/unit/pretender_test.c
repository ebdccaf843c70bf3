// What a download left in place of a file is called what it is.
#include "runtime/base/pretender.h"

#include "tests/harness.h"

static const char *name_of(const char *text)
{
    const char *name = pretender_name(text, (int64_t)strlen(text));
    return name ? name : "none";
}

TEST(pretenders_are_named)
{
    static const char *const pages[] = {"<!DOCTYPE html><p>", "<!doctype HTML>",
                                        "\n\t <html lang=en>",
                                        "\xef\xbb\xbf<HTML>", "<head><meta>"};
    for (int i = 0; i < 5; i++)
        CHECK(strstr(name_of(pages[i]), "a web page") != NULL);
    CHECK(strstr(name_of("version https://git-lfs.github.com/spec/v1\noid"),
                 "git lfs pull") != NULL);
    static const char *const others[] = {
        "", "<", "<htm", "path,label", "version", "   ", "x<html>", "\x89PNG"};
    for (int i = 0; i < 8; i++)
        CHECK_TEXT(name_of(others[i]), "none");
    // Bytes with zeros, and no more of them than are given.
    CHECK(!pretender_name("\0<html>", 7));
    CHECK(!pretender_name("<html>", 4));
}
