/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-turns.h"

/* Takes everything out and compares the clients' names in the order of their turns. */
static void
assert_order (TpmTurns *turns, const char *expected)
{
  g_autoptr (GString) order = g_string_new (NULL);
  TpmTurn *turn;

  while ((turn = tpm_turns_pop (turns)) != NULL)
    g_string_append_printf (order, "%s%s", order->len > 0 ? " " : "", turn->client);
  g_assert_cmpstr (order->str, ==, expected);
  g_assert_cmpuint (tpm_turns_count_all (turns), ==, 0);
}

static void
push_all (TpmTurns *turns, TpmTurn *rows, gsize n)
{
  for (gsize i = 0; i < n; i++)
    tpm_turns_push (turns, &rows[i]);
}

static void
urgent_goes_first (void)
{
  g_autoptr (TpmTurns) turns = tpm_turns_new ();
  TpmTurn rows[] = {
    { TPM_PRIORITY_BACKGROUND, 1, "background" }, { TPM_PRIORITY_NORMAL, 1, "normal" },
    { TPM_PRIORITY_URGENT, 1, "urgent" },         { TPM_PRIORITY_NORMAL, 2, "later" },
  };

  push_all (turns, rows, G_N_ELEMENTS (rows));
  assert_order (turns, "urgent normal later background");
}

static void
one_client_is_served_in_order_of_arrival (void)
{
  g_autoptr (TpmTurns) turns = tpm_turns_new ();
  TpmTurn rows[3] = { { TPM_PRIORITY_NORMAL, 1, "a" }, { TPM_PRIORITY_NORMAL, 1, "a" }, { TPM_PRIORITY_NORMAL, 1, "a" } };

  push_all (turns, rows, G_N_ELEMENTS (rows));
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_true (tpm_turns_pop (turns) == &rows[i]);
  g_assert_null (tpm_turns_pop (turns));
}

static void
users_take_turns_and_so_do_their_clients (void)
{
  g_autoptr (TpmTurns) turns = tpm_turns_new ();
  TpmTurn rows[] = {
    { TPM_PRIORITY_NORMAL, 1, "1a" }, { TPM_PRIORITY_NORMAL, 1, "1a" }, { TPM_PRIORITY_NORMAL, 1, "1a" },
    { TPM_PRIORITY_NORMAL, 1, "1b" }, { TPM_PRIORITY_NORMAL, 1, "1b" }, { TPM_PRIORITY_NORMAL, 2, "2a" },
    { TPM_PRIORITY_NORMAL, 2, "2a" },
  };

  push_all (turns, rows, G_N_ELEMENTS (rows));
  assert_order (turns, "1a 2a 1b 2a 1a 1b 1a");
}

static void
a_flood_costs_another_user_one_turn (void)
{
  g_autoptr (TpmTurns) turns = tpm_turns_new ();
  TpmTurn flood[100];
  TpmTurn other = { TPM_PRIORITY_NORMAL, 2, "other" };

  for (gsize i = 0; i < G_N_ELEMENTS (flood); i++)
    {
      flood[i] = (TpmTurn){ TPM_PRIORITY_NORMAL, 1, "flood" };
      tpm_turns_push (turns, &flood[i]);
    }
  g_assert_true (tpm_turns_pop (turns) == &flood[0]);
  tpm_turns_push (turns, &other);
  g_assert_true (tpm_turns_pop (turns) == &flood[1]);
  g_assert_true (tpm_turns_pop (turns) == &other);
  while (tpm_turns_pop (turns) != NULL)
    ;
}

static void
the_lowest_priority_does_not_starve (void)
{
  g_autoptr (TpmTurns) turns = tpm_turns_new ();
  TpmTurn urgent[20];
  TpmTurn background = { TPM_PRIORITY_BACKGROUND, 1, "background" };
  TpmTurn normal = { TPM_PRIORITY_NORMAL, 1, "normal" };

  tpm_turns_push (turns, &background);
  tpm_turns_push (turns, &normal);
  for (gsize i = 0; i < G_N_ELEMENTS (urgent); i++)
    {
      urgent[i] = (TpmTurn){ TPM_PRIORITY_URGENT, 1, "urgent" };
      tpm_turns_push (turns, &urgent[i]);
    }
  for (gsize i = 0; i < TPM_TURNS_STREAK; i++)
    g_assert_true (tpm_turns_pop (turns) == &urgent[i]);
  /* The oldest of those below, whatever its priority. */
  g_assert_true (tpm_turns_pop (turns) == &background);
  for (gsize i = 0; i < TPM_TURNS_STREAK; i++)
    g_assert_true (tpm_turns_pop (turns) == &urgent[TPM_TURNS_STREAK + i]);
  g_assert_true (tpm_turns_pop (turns) == &normal);
  while (tpm_turns_pop (turns) != NULL)
    ;
}

static void
a_streak_counts_only_while_somebody_waits (void)
{
  g_autoptr (TpmTurns) turns = tpm_turns_new ();
  TpmTurn normal[20];
  TpmTurn background = { TPM_PRIORITY_BACKGROUND, 1, "background" };

  for (gsize i = 0; i < G_N_ELEMENTS (normal); i++)
    {
      normal[i] = (TpmTurn){ TPM_PRIORITY_NORMAL, 1, "normal" };
      tpm_turns_push (turns, &normal[i]);
    }
  for (gsize i = 0; i < 10; i++)
    g_assert_true (tpm_turns_pop (turns) == &normal[i]);
  tpm_turns_push (turns, &background);
  for (gsize i = 0; i < TPM_TURNS_STREAK; i++)
    g_assert_true (tpm_turns_pop (turns) == &normal[10 + i]);
  g_assert_true (tpm_turns_pop (turns) == &background);
  while (tpm_turns_pop (turns) != NULL)
    ;
}

static void
what_is_removed_gets_no_turn (void)
{
  g_autoptr (TpmTurns) turns = tpm_turns_new ();
  TpmTurn rows[] = {
    { TPM_PRIORITY_NORMAL, 1, "a" },
    { TPM_PRIORITY_NORMAL, 1, "a" },
    { TPM_PRIORITY_NORMAL, 1, "b" },
    { TPM_PRIORITY_URGENT, 2, "c" },
  };

  push_all (turns, rows, G_N_ELEMENTS (rows));
  tpm_turns_remove (turns, &rows[0]);
  tpm_turns_remove (turns, &rows[3]);
  tpm_turns_remove (turns, &rows[2]);
  assert_order (turns, "a");
}

/* The name that a ring knows its client by belongs to a turn, which may go before the others. */
static void
a_client_outlives_its_first_turn (void)
{
  g_autoptr (TpmTurns) turns = tpm_turns_new ();
  g_autofree char *second_name = g_strdup ("a");
  char *first_name = g_strdup ("a");
  TpmTurn first = { TPM_PRIORITY_NORMAL, 1, first_name };
  TpmTurn second = { TPM_PRIORITY_NORMAL, 1, second_name };

  tpm_turns_push (turns, &first);
  tpm_turns_push (turns, &second);
  tpm_turns_remove (turns, &first);
  g_free (first_name);
  g_assert_cmpuint (tpm_turns_count (turns, "a"), ==, 1);
  g_assert_true (tpm_turns_pop (turns) == &second);
}

static void
counts_leave_the_daemons_own_out (void)
{
  g_autoptr (TpmTurns) turns = tpm_turns_new ();
  TpmTurn rows[] = {
    { TPM_PRIORITY_NORMAL, 1, "a" }, { TPM_PRIORITY_BACKGROUND, 1, "a" }, { TPM_PRIORITY_NORMAL, 1, "b" },
    { TPM_PRIORITY_URGENT, 0, NULL },
  };

  push_all (turns, rows, G_N_ELEMENTS (rows));
  g_assert_cmpuint (tpm_turns_count (turns, NULL), ==, 3);
  g_assert_cmpuint (tpm_turns_count (turns, "a"), ==, 2);
  g_assert_cmpuint (tpm_turns_count (turns, "c"), ==, 0);
  g_assert_cmpuint (tpm_turns_count_all (turns), ==, 4);
  while (tpm_turns_pop (turns) != NULL)
    ;
}

static void
the_newest_of_the_greediest_gives_way (void)
{
  g_autoptr (TpmTurns) turns = tpm_turns_new ();
  TpmTurn rows[] = {
    { TPM_PRIORITY_NORMAL, 1, "1a" },     { TPM_PRIORITY_BACKGROUND, 1, "1b" }, { TPM_PRIORITY_NORMAL, 1, "1b" },
    { TPM_PRIORITY_BACKGROUND, 1, "1b" }, { TPM_PRIORITY_NORMAL, 1, "1a" },     { TPM_PRIORITY_NORMAL, 2, "2a" },
    { TPM_PRIORITY_NORMAL, 2, "2a" },     { TPM_PRIORITY_NORMAL, 2, "2a" },     { TPM_PRIORITY_NORMAL, 2, "2a" },
  };

  push_all (turns, rows, G_N_ELEMENTS (rows));
  /* The uid with the most, though another has the client with the most. */
  g_assert_true (tpm_turns_find_greedy (turns, 3) == &rows[3]);
  g_assert_true (tpm_turns_find_greedy (turns, 2) == &rows[3]);
  g_assert_null (tpm_turns_find_greedy (turns, 1));
  g_assert_cmpuint (tpm_turns_count_all (turns), ==, G_N_ELEMENTS (rows));
  while (tpm_turns_pop (turns) != NULL)
    ;
}

static void
of_equals_the_last_to_come_gives_way (void)
{
  g_autoptr (TpmTurns) turns = tpm_turns_new ();
  TpmTurn rows[] = {
    { TPM_PRIORITY_NORMAL, 1, "1a" }, { TPM_PRIORITY_NORMAL, 2, "2a" }, { TPM_PRIORITY_URGENT, 2, "2b" },
    { TPM_PRIORITY_NORMAL, 1, "1a" }, { TPM_PRIORITY_URGENT, 3, "3a" },
  };

  push_all (turns, rows, G_N_ELEMENTS (rows));
  g_assert_true (tpm_turns_find_greedy (turns, 4) == &rows[3]);
  g_assert_true (tpm_turns_find_greedy (turns, 3) == &rows[3]);
  g_assert_null (tpm_turns_find_greedy (turns, 1));
  g_assert_null (tpm_turns_find_greedy (turns, 2));
  while (tpm_turns_pop (turns) != NULL)
    ;
}

static void
the_daemons_own_neither_give_way_nor_count (void)
{
  g_autoptr (TpmTurns) turns = tpm_turns_new ();
  TpmTurn rows[] = {
    { TPM_PRIORITY_URGENT, 0, NULL }, { TPM_PRIORITY_URGENT, 0, NULL }, { TPM_PRIORITY_URGENT, 0, NULL },
    { TPM_PRIORITY_NORMAL, 0, "0a" }, { TPM_PRIORITY_NORMAL, 1, "1a" }, { TPM_PRIORITY_NORMAL, 1, "1a" },
    { TPM_PRIORITY_URGENT, 0, NULL },
  };

  g_assert_null (tpm_turns_find_greedy (turns, 0));
  tpm_turns_push (turns, &rows[0]);
  g_assert_null (tpm_turns_find_greedy (turns, 1));
  push_all (turns, &rows[1], G_N_ELEMENTS (rows) - 1);
  g_assert_true (tpm_turns_find_greedy (turns, 0) == &rows[5]);
  g_assert_null (tpm_turns_find_greedy (turns, 1));
  while (tpm_turns_pop (turns) != NULL)
    ;
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/turns/urgent-goes-first", urgent_goes_first);
  g_test_add_func ("/tpm/turns/one-client-is-served-in-order-of-arrival", one_client_is_served_in_order_of_arrival);
  g_test_add_func ("/tpm/turns/users-take-turns-and-so-do-their-clients", users_take_turns_and_so_do_their_clients);
  g_test_add_func ("/tpm/turns/a-flood-costs-another-user-one-turn", a_flood_costs_another_user_one_turn);
  g_test_add_func ("/tpm/turns/the-lowest-priority-does-not-starve", the_lowest_priority_does_not_starve);
  g_test_add_func ("/tpm/turns/a-streak-counts-only-while-somebody-waits", a_streak_counts_only_while_somebody_waits);
  g_test_add_func ("/tpm/turns/what-is-removed-gets-no-turn", what_is_removed_gets_no_turn);
  g_test_add_func ("/tpm/turns/a-client-outlives-its-first-turn", a_client_outlives_its_first_turn);
  g_test_add_func ("/tpm/turns/counts-leave-the-daemons-own-out", counts_leave_the_daemons_own_out);
  g_test_add_func ("/tpm/turns/the-newest-of-the-greediest-gives-way", the_newest_of_the_greediest_gives_way);
  g_test_add_func ("/tpm/turns/of-equals-the-last-to-come-gives-way", of_equals_the_last_to_come_gives_way);
  g_test_add_func ("/tpm/turns/the-daemons-own-neither-give-way-nor-count", the_daemons_own_neither_give_way_nor_count);
  return g_test_run ();
}
