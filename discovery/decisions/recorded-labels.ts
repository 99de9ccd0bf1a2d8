type Labels = Readonly<Record<string, string>>;

/**
 * The same labels, which record whether they are read. A decision that reads none of a client's labels is the same for
 * every client of its namespace.
 */
export function recordLabels(labels: Labels): { readonly labels: Labels; readonly wasRead: () => boolean } {
  let isRead = false;
  const note = (): void => {
    isRead = true;
  };
  const recorded = new Proxy(labels, {
    get: (target, name, receiver) => {
      note();
      return Reflect.get(target, name, receiver);
    },
    has: (target, name) => {
      note();
      return Reflect.has(target, name);
    },
    ownKeys: (target) => {
      note();
      return Reflect.ownKeys(target);
    },
    getOwnPropertyDescriptor: (target, name) => {
      note();
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
  });
  return { labels: recorded, wasRead: () => isRead };
}
