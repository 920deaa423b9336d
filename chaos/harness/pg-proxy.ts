import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/**
 * A TCP proxy before Postgres that knows enough of its protocol to pick its victims: connections by
 * their `application_name`, replies by the name of the statement that they answer.
 */
export interface PgProxy extends AsyncDisposable {
  /** The given address, through the proxy. */
  readonly connectionString: string;
  /**
   * Holds back all bytes of the open connections that match, both ways. Neither side hears of it:
   * to both it is a half-open connection. New ones are not held back. Answers with their number.
   */
  readonly stall: (matches: (application: string) => boolean) => number;
  /** Leads new connections to the server of another connection string; those that are open stay. */
  readonly lead: (connectionString: string) => void;
  /** Resets the connections that are held back. */
  readonly resetStalled: () => void;
  /**
   * Lets the next statement through whose name matches, waits until the server has answered, which
   * is after its commit, and resets the connection in place of the answer. An answer of fewer rows than
   * `leastRows`, default 0, is passed on, and the next one is looked at. Resolves when that was done.
   */
  readonly cutReply: (matches: (statement: string) => boolean, leastRows?: number) => Promise<LostReply>;
}

/** An answer that did not arrive. */
export interface LostReply {
  /** How many rows it had. */
  readonly rows: number;
  /** The name of the connection that waited for it. */
  readonly application: string;
}

/** One connection through the proxy. */
interface Link {
  readonly client: Socket;
  readonly server: Socket;
  application: string;
  stalled: boolean;
  /** What of a message has come so far. */
  rest: Buffer;
  /** Its answer is to be lost. */
  doomed: Doom | undefined;
  /** What of that answer has come so far. */
  answer: Buffer;
}

interface Doom {
  readonly matches: (statement: string) => boolean;
  readonly leastRows: number;
  readonly done: (reply: LostReply) => void;
}

/** ReadyForQuery: the server has answered and waits for more. */
const READY = "Z";

/** DataRow: a row of an answer. */
const ROW = "D";

/** Starts a proxy before the server of a connection string. Disposing it cuts every connection. */
export async function startPgProxy(connectionString: string): Promise<PgProxy> {
  const url = new URL(connectionString);
  let target = targetOf(connectionString);
  const links = new Set<Link>();
  const dooms = new Set<Doom>();
  const server = createServer((client) => {
    const link: Link = {
      client,
      server: connect(target),
      application: "",
      stalled: false,
      rest: Buffer.alloc(0),
      doomed: undefined,
      answer: Buffer.alloc(0),
    };
    links.add(link);
    join(link, dooms, () => links.delete(link));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as AddressInfo).port);
  return {
    connectionString: url.href,
    stall: (matches) => {
      const victims = [...links].filter(({ application, stalled }) => !stalled && matches(application));
      for (const link of victims) {
        link.stalled = true;
        link.client.pause();
        link.server.pause();
      }
      return victims.length;
    },
    lead: (other) => {
      target = targetOf(other);
    },
    resetStalled: () => {
      for (const link of links) if (link.stalled) reset(link);
    },
    cutReply: (matches, leastRows = 0) =>
      new Promise((done) => {
        dooms.add({ matches, leastRows, done });
      }),
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const link of links) reset(link);
      await once(server, "close");
    },
  };
}

function targetOf(connectionString: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(connectionString);
  return { host: hostname, port: Number(port || 5432) };
}

function join(link: Link, dooms: Set<Doom>, forget: () => void): void {
  const { client, server } = link;
  for (const socket of [client, server]) {
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
  }
  client.on("data", (bytes: Buffer) => {
    const statement = statementOf(link, bytes);
    for (const doom of statement === undefined ? [] : dooms) {
      if (link.doomed !== undefined || !doom.matches(statement ?? "")) continue;
      dooms.delete(doom);
      link.doomed = doom;
    }
    server.write(bytes);
  });
  server.on("data", (bytes: Buffer) => {
    if (link.doomed === undefined) client.write(bytes);
    else withhold(link, dooms, bytes);
  });
  client.on("close", () => {
    server.destroy();
    forget();
  });
  server.on("close", () => client.destroy());
}

/** Keeps an answer that is to be lost, until it is whole. */
function withhold(link: Link, dooms: Set<Doom>, bytes: Buffer): void {
  const { client, doomed } = link;
  link.answer = Buffer.concat([link.answer, bytes]);
  if (doomed === undefined || !endsReady(bytes)) return;
  const rows = rowsIn(link.answer);
  if (rows >= doomed.leastRows) {
    reset(link);
    doomed.done({ rows, application: link.application });
    return;
  }
  client.write(link.answer);
  link.answer = Buffer.alloc(0);
  link.doomed = undefined;
  dooms.add(doomed);
}

function reset({ client, server }: Link): void {
  client.resetAndDestroy();
  server.resetAndDestroy();
}

/** An answer ends with ReadyForQuery, which has 6 bytes and comes whole. */
function endsReady(bytes: Buffer): boolean {
  return bytes.length >= 6 && bytes.toString("latin1", bytes.length - 6, bytes.length - 5) === READY;
}

/** How many rows a whole answer has. */
function rowsIn(answer: Buffer): number {
  let rows = 0;
  for (let at = 0; at + 5 <= answer.length; at += answer.readUInt32BE(at + 1) + 1)
    if (answer.toString("latin1", at, at + 1) === ROW) rows += 1;
  return rows;
}

/**
 * Reads what a client sends, and answers with the name of the statement that it executes, if it does.
 * The first message of a connection has no letter: it tells the application's name.
 */
function statementOf(link: Link, bytes: Buffer): string | undefined {
  let rest = Buffer.concat([link.rest, bytes]);
  let statement: string | undefined;
  while (rest.length >= 5) {
    const starts = link.application === "";
    const length = starts ? rest.readUInt32BE(0) : rest.readUInt32BE(1) + 1;
    if (rest.length < length) break;
    const message = rest.subarray(0, length);
    if (starts) link.application = applicationOf(message);
    // Bind: the name of the portal, which is empty, and that of the statement.
    else if (message.toString("latin1", 0, 1) === "B") statement = textsOf(message.subarray(5))[1];
    rest = rest.subarray(length);
  }
  link.rest = rest;
  return statement;
}

function applicationOf(startup: Buffer): string {
  const texts = textsOf(startup.subarray(8));
  return texts[texts.indexOf("application_name") + 1] ?? "unnamed";
}

function textsOf(bytes: Buffer): readonly string[] {
  return bytes.toString("utf8").split("\0");
}
