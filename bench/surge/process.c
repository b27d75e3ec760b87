/* process.c - see process.h. */
#include "bench/surge/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file of this process, as text. */
static bool
read_file(uint32_t pid, const char *name, char *text, size_t room)
{
    char   path[64];
    FILE  *file;
    size_t len;

    (void)snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
    file = fopen(path, "r");
    if (file == NULL)
        return false;
    len = fread(text, 1, room - 1, file);
    text[len] = '\0';
    return fclose(file) == 0 && len > 0;
}

/* The number that is word `index` of a line, counted from 0. */
static bool
word_of(const char *line, unsigned index, uint64_t *ret_number)
{
    char *end;

    while (index-- > 0) {
        line = strchr(line, ' ');
        if (line == NULL)
            return false;
        line++;
    }
    *ret_number = strtoull(line, &end, 10);
    return end != line;
}

bool
surge_process_look(uint32_t pid, struct surge_process *ret_process)
{
    char        text[1024];
    const char *fields;
    uint64_t    pages, user, kernel;

    if (!read_file(pid, "statm", text, sizeof(text)) || !word_of(text, 1, &pages) || !read_file(pid, "stat", text, sizeof(text)))
        return false;
    fields = strrchr(text, ')'); /* the name before it may hold anything; the words behind it count from the state on */
    if (fields == NULL || !word_of(fields, 12, &user) || !word_of(fields, 13, &kernel))
        return false;
    ret_process->bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    ret_process->cpu_s = (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
    return true;
}
