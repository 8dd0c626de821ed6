/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-device.h"

/* The identity room's two objects with everything in memory: signing waits until the test lets go, so that the order of
   events on the bus is the test's to choose. Rights, names, hashes and requests are the real ones. */

/* Makes a device with one key called @name, owned by @owner. */
IdentityDevice *fake_identity_new (const char *name, guint owner);

/* Announces a new mode. */
void fake_identity_set_mode (IdentityDevice *self, const char *mode);

/* Adds a key, announces it. */
void fake_identity_add_key (IdentityDevice *self, const char *name);

/* Removes all keys, announces that. */
void fake_identity_drop_keys (IdentityDevice *self);

/* Signatures asked for and neither given nor cancelled. */
guint fake_identity_waiting (IdentityDevice *self);

/* Signatures whose caller left before they were made. */
guint fake_identity_cancelled (IdentityDevice *self);

/* Gives the oldest signature that waits: its bytes are the digest's. */
void fake_identity_let_go (IdentityDevice *self);
