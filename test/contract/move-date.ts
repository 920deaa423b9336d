import { vi } from "vitest";

/** Lets time pass for the memory store where `Date` is faked. */
export function moveDate(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}
