/** The cleanup steps of a failed start or a stopped cluster: newest first, each once, all of them. */
export interface UndoList {
  add(action: () => Promise<void> | void): void;
  /** Later calls wait for the first. Rejects with all errors after every step has run. */
  run(): Promise<void>;
}

export function createUndoList(): UndoList {
  const actions: (() => Promise<void> | void)[] = [];
  let running: Promise<void> | undefined;
  return {
    add: (action) => void actions.push(action),
    run: () => {
      running ??= runAll(actions);
      return running;
    },
  };
}

async function runAll(actions: (() => Promise<void> | void)[]): Promise<void> {
  const failures: unknown[] = [];
  for (let action = actions.pop(); action !== undefined; action = actions.pop()) {
    try {
      await action();
    } catch (caught) {
      failures.push(caught);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join("; "));
}
