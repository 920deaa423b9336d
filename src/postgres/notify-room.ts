/**
 * Whether the server's queue of notifications has room, in SQL. Postgres refuses a commit that notifies
 * when it is full, and with it all that it should write; a notification is a hint, so then there is none
 * and polling finds the work. The last tenth is for those that notify in the same moment.
 *
 * Asking also lets a queue that was full take new ones, as soon as those that held it up have read on.
 */
export const HAS_NOTIFY_ROOM = "pg_notification_queue_usage() < 0.9";
