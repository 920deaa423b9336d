import { EventEmitter } from "node:events";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ClientConfig } from "pg";
import pgListen from "pg-listen";
import type { PgParsedNotification, Subscriber } from "pg-listen";
import {
  catchError,
  defer,
  filter,
  finalize,
  fromEventPattern,
  map,
  merge,
  switchMap,
  throwError,
  timeout,
} from "rxjs";
import type { Observable } from "rxjs";
import { tellsReadOnly } from "./read-only.ts";

// The package is CommonJS with a `default` of its own: under `nodenext` this is how it is called.
const createSubscriber = pgListen.default;

/**
 * What one session says: once that it opened, and every payload that arrives. Payloads that come in
 * one packet with the answer to LISTEN are told before it.
 */
export type SessionEvent =
  | { readonly type: "opened" }
  | { readonly type: "received"; readonly payload: string };

/** What a session needs to know. */
export interface SessionOptions {
  /**
   * How to connect. A `connectionTimeoutMillis` of 0 or none is taken as 5,000; `application_name`
   * defaults to `millrace-listen`, `keepAliveInitialDelayMillis` to 10,000.
   */
  readonly connection: ClientConfig;
  /** The channel to listen on, unquoted. */
  readonly channel: string;
}

/** Longest connect, and longest LISTEN after it, where the connection's settings name none. */
const OPEN_TIMEOUT_MS = 5_000;

/** How long a polite goodbye may take before the socket is destroyed. */
const CLOSE_TIMEOUT_MS = 1_000;

/** First TCP keepalive probe after this much silence. The system's default is 2 hours on Linux. */
const KEEPALIVE_DELAY_MS = 10_000;

/**
 * Listens on one channel over one connection, until that is lost. Subscribing connects;
 * unsubscribing closes the connection, whatever it was doing, and leaves nothing behind.
 *
 * ```text
 * session$   ----o--x-x-----x----#     o opened, x received, # lost
 * session$   ----#                     could not connect, or took too long
 * ```
 *
 * It never completes and never reconnects: whoever subscribes again gets a new connection. Hence the
 * settings of `pg-listen`, whose own recovery stops for good after 3 s, cannot be cancelled and does
 * not notice when LISTEN fails: `retryLimit: 1` means no attempt at all, so every loss is an `error`
 * event. `paranoidChecking` is off because its query waits for ever on a half-open connection.
 */
export function openSession({ connection, channel }: SessionOptions): Observable<SessionEvent> {
  const config = sessionConfig(connection);
  return defer(() => {
    const { subscriber, reason, close } = createSession(config);
    const lost$ = fromEventPattern<Error>(
      (handler) => subscriber.events.on("error", handler),
      (handler) => subscriber.events.removeListener("error", handler),
    ).pipe(switchMap(() => throwError(() => new Error(`The connection that listens was lost: ${reason()}`))));
    const received$ = fromEventPattern<PgParsedNotification>(
      (handler) => subscriber.events.on("notification", handler),
      (handler) => subscriber.events.removeListener("notification", handler),
    ).pipe(
      filter((notification) => notification.channel === channel),
      map(({ payload }): SessionEvent => ({
        type: "received",
        payload: typeof payload === "string" ? payload : "",
      })),
    );
    const opened$ = defer(() => subscriber.connect()).pipe(
      switchMap(() => subscriber.listenTo(channel) ?? throwError(() => new Error("already listening"))),
      map((): SessionEvent => ({ type: "opened" })),
      timeout({ first: config.connectionTimeoutMillis }),
      catchError((cause: unknown) =>
        throwError(() => new Error(`Could not connect and listen: ${reasonOf(cause)}`, { cause })),
      ),
    );
    return merge(lost$, received$, opened$).pipe(finalize(close));
  });
}

/** A subscriber of `pg-listen` and what ends it. */
interface Session {
  readonly subscriber: Subscriber;
  /** Why the connection broke, which `pg-listen` does not tell. */
  readonly reason: () => string;
  /** Ends it, whatever it is doing. */
  readonly close: () => void;
}

/**
 * The settings of the connection: the caller's, with every bound that `pg` leaves open.
 *
 * `password` is named because pools hide theirs from enumeration, and `pg-listen` copies only what
 * enumerates.
 */
export function sessionConfig(connection: ClientConfig): ClientConfig & { connectionTimeoutMillis: number } {
  return {
    ...connection,
    password: connection.password,
    application_name: connection.application_name ?? "millrace-listen",
    connectionTimeoutMillis: connection.connectionTimeoutMillis || OPEN_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: connection.keepAliveInitialDelayMillis || KEEPALIVE_DELAY_MS,
    pipeline: false,
  };
}

/**
 * Makes a subscriber over a socket that this function keeps, so that ending the session can destroy
 * it: `pg-listen` gives no access to its client, whose `end()` waits for ever on a half-open
 * connection and confuses the server during a connect.
 */
function createSession(config: ClientConfig): Session {
  let fault: unknown = new Error("it ended without a word");
  let socket: Duplex | undefined;
  const subscriber = createSubscriber(
    {
      ...config,
      stream(this: unknown) {
        // `pg` calls this as a method of its connection, which tells what the server complains of.
        // `pg-listen` survives two complaints in one packet, the third would end the process. As any
        // is the end of the session, nobody needs to hear the second.
        if (this instanceof EventEmitter) {
          this.on("parameterStatus", ({ parameterName, parameterValue }: Record<string, unknown>) => {
            if (!tellsReadOnly(parameterName, parameterValue)) return;
            const error = new Error("the server takes reads only");
            fault = error;
            subscriber.events.emit("error", error);
          });
          this.once("errorMessage", (error: unknown) => {
            fault = error;
            this.removeAllListeners("errorMessage");
          });
        }
        // Not before: settings that make no client must leave none.
        socket = config.stream?.() ?? new Socket();
        return socket.on("error", (error) => {
          fault = error;
        });
      },
    },
    { retryLimit: 1, paranoidChecking: false, parse: (payload) => payload },
  );
  // These stay when the session is over: an `error` event that nobody hears ends the process. The
  // second emitter has events named after channels, and a channel may be called `error`.
  subscriber.events.on("error", () => {});
  subscriber.notifications.on("error", () => {});

  return {
    subscriber,
    reason: () => reasonOf(fault),
    close: () => {
      // No channel yet means that it is still connecting, so there is nobody to say goodbye to.
      if (subscriber.getSubscribedChannels().length === 0) socket?.destroy();
      subscriber.close().catch(() => {});
      if (socket?.destroyed !== false) return;
      const deadline = setTimeout(() => socket?.destroy(), CLOSE_TIMEOUT_MS);
      socket.once("close", () => clearTimeout(deadline));
    },
  };
}

/** Tells an error in a few words. Node's error for a host with several addresses has an empty message. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(reasonOf).join(", ");
  return error instanceof Error ? error.message : String(error);
}
