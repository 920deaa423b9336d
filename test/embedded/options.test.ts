import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import { startEmbeddedPostgres } from "../../src/embedded/index.ts";
import { readOptions } from "../../src/embedded/options.ts";
import type { EmbeddedPostgresOptions } from "../../src/embedded/options.ts";

describe("startEmbeddedPostgres", () => {
  it.each<[unknown, string]>([
    [null, "Expected `options` to be an object, got null"],
    [
      { persistant: true },
      'Expected `options` to be one of dataDir, persistent, port, settings, binDir, got "persistant" (string)',
    ],
    [{ port: "abc" }, 'Expected `port` to be an integer from 0 to 65535, got "abc" (string)'],
    [{ port: 65_536 }, "Expected `port` to be an integer from 0 to 65535, got 65536 (number)"],
    [{ port: 1.5 }, "Expected `port` to be an integer from 0 to 65535, got 1.5 (number)"],
    [{ dataDir: "" }, 'Expected `dataDir` to be a path that is not empty, got "" (string)'],
    [{ dataDir: 3 }, "Expected `dataDir` to be a path that is not empty, got 3 (number)"],
    [{ binDir: "" }, 'Expected `binDir` to be a path that is not empty, got "" (string)'],
    [{ persistent: 1 }, "Expected `persistent` to be a boolean, got 1 (number)"],
    [{ persistent: true }, "Expected `dataDir` to be a path where `persistent` is true, got undefined"],
    [{ settings: [] }, "Expected `settings` to be an object of strings, got an array of 0"],
    [
      { settings: { fsync: false } },
      "Expected `settings.fsync` to be a string without NUL, got false (boolean)",
    ],
    [
      { settings: { "a=b": "c" } },
      'Expected `settings` to be an object whose keys are names of server settings, got "a=b" (string)',
    ],
    [
      { settings: { PORT: "1" } },
      "Expected `settings` to be an object without config_file, data_directory, hba_file, " +
        'listen_addresses, port, unix_socket_directories, got "PORT" (string)',
    ],
  ])("refuses %j and says what it expects", async (options, message) => {
    const start = startEmbeddedPostgres(options as EmbeddedPostgresOptions);
    await expect(start).rejects.toThrow(new OptionError(message));
    await expect(start).rejects.toBeInstanceOf(OptionError);
  });
});

describe("readOptions", () => {
  it("asks for a throwaway server on a free port by default", () => {
    expect(readOptions({})).toEqual({
      dataDir: undefined,
      persistent: false,
      port: 0,
      settings: {},
      binDir: undefined,
    });
  });
});
