/* schedule_faults.c: what must not keep a plan, or another one, from its times: locks that are
 * held, rows that Postgres refuses, what others took or do not know. A real Postgres, threads of
 * the scheduler alone (schedule_fixture.h). */
#include "schedule_fixture.h"

/* ---- jobs that nobody would have taken ---- */

/* Goal: who is asked to end before anybody had room for it ends, also after its starting deadline;
 * else it would be in the way of its plan for ever. */
static void test_cancelled_beyond_its_deadline(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");
    struct planner_end planner;
    struct truth_request *claims;

    add_plan(world, "p", "{\"schedule\": \"@every 1h\", \"overlap\": \"replace\"}");
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    wait_sql(world, "SELECT cancel_requested FROM job WHERE name = 'p-1'", "t");
    run_sql(world, "UPDATE job SET start_by = now() - interval '1 s' WHERE name = 'p-1'");
    planner = planner_up(world, "one");
    claims = claim_up_to(&planner, 10);
    assert_int_equal(claims->claim_count, 1);
    assert_true(claims->claims[0].cancel_requested);
    truth_request_destroy(&claims);
    planner_down(&planner);
    scheduler_down(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_cancelled_beyond_its_deadline),
    };

    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, services_up, NULL);
}
