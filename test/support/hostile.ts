/** Values that make trouble for whoever looks at them, by name; each call makes a new one. */
export const HOSTILE: readonly (readonly [name: string, make: () => unknown])[] = [
  ["a Proxy that traps everything", trapped],
  ["a Proxy that was revoked", revoked],
  ["an error whose members throw", unreadable],
  ["an object with a cycle", cyclic],
];

function trap(): never {
  throw new Error("a trap");
}

function trapped(): object {
  return new Proxy(
    {},
    { get: trap, has: trap, getPrototypeOf: trap, ownKeys: trap, getOwnPropertyDescriptor: trap },
  );
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function unreadable(): Error {
  // The stack first: V8 reads the name and the message to make it.
  const members = { stack: { get: trap }, name: { get: trap }, message: { get: trap } };
  return Object.defineProperties(new Error("hidden"), members);
}

function cyclic(): object {
  const self: Record<string, unknown> = {};
  self["self"] = self;
  return self;
}
