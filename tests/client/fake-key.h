/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <tpmid.h>

#define FAKE_KEY_LOOKS_MAX 8

/*
 * Fake: a tpmidd with one key, k1, on a bus of its own. What it says is set before a call and looked at after it: only during
 * a call does its thread touch it.
 */
typedef struct Fake
{
  char *folder;
  char *address;
  GPid bus;
  tpmid_client *client;
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  GDBusNodeInfo *info;

  const char *states[FAKE_KEY_LOOKS_MAX]; /* what State says at each look; the last one stays */
  guint looks;
  const char *problem;
  const char *problem_error; /* NULL: there is no such property */
  GBytes *public_key;        /* NULL: none; else it has one as long as it is not creating or failed */
  const char *answer;        /* what Decrypt and SignMessage answer */
  const char *error;         /* D-Bus error name: instead of an answer */
  char *call;                /* the last call: method and arguments */
} Fake;

/* fake_key_set_up, fake_key_tear_down: of a fixture; @data is not looked at */
void fake_key_set_up (Fake *self, gconstpointer data);
void fake_key_tear_down (Fake *self, gconstpointer data);

/* fake_key_set_states: @second, @third: (nullable): what State says at the next looks; the last one stays */
void fake_key_set_states (Fake *self, const char *first, const char *second, const char *third);
