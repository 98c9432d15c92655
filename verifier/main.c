/* main.c: syncline-verifier proves: it reads staged copies back, on its own, and compares. */
#include "verifier/tasks.h"

int main(int argc, char **argv)
{
    return worker_main(&verifier_role, argc, argv);
}
