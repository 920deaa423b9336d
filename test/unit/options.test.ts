import { describe, expect, it } from "vitest";
import { DEFAULT_BACKOFF } from "../../src/core/backoff.ts";
import type { BackoffPolicy } from "../../src/core/backoff.ts";
import { resolveBackoff } from "../../src/settings.ts";

describe("resolveBackoff", () => {
  it("takes the default of what is left out, also as undefined", () => {
    const given: { readonly [Name in keyof BackoffPolicy]?: number | undefined } = {
      initialMs: undefined,
      factor: 1,
    };
    expect(resolveBackoff(given as Partial<BackoffPolicy>)).toEqual({ ...DEFAULT_BACKOFF, factor: 1 });
    expect(resolveBackoff(undefined)).toEqual(DEFAULT_BACKOFF);
  });
});
