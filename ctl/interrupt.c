/* interrupt.c: SIGINT and SIGTERM become a number that loops look at: what has to be undone or said
 * is done there, in order, and not in a signal handler. */
#include "ctl/ctl.h"

#include <signal.h>

volatile int interrupted;

static void note_signal(int number)
{
    interrupted = number;
}

void interrupt_catch(void)
{
    struct sigaction action = {.sa_handler = note_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}
