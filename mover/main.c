/* main.c: syncline-mover moves: it stages content, publishes what is proven, and settles. */
#include "mover/tasks.h"

int main(int argc, char **argv)
{
    return worker_main(&mover_role, argc, argv);
}
