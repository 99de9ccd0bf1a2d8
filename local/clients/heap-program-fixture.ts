/**
 * For tests: connects to the inspector of a Node process in this pod, runs a garbage collection, and prints the bytes
 * of its objects and their buffers.
 */
export interface HeapReport {
  readonly bytes: number;
}

const list = await fetch("http://127.0.0.1:9229/json/list");
const [target]: readonly { readonly webSocketDebuggerUrl: string }[] = JSON.parse(await list.text());
const socket = new WebSocket(target?.webSocketDebuggerUrl ?? "");
const replies = new Map<number, (result: unknown) => void>();
socket.addEventListener("message", ({ data }) => {
  const reply = JSON.parse(data);
  replies.get(reply.id)?.(reply.result);
});
await new Promise((resolve) => socket.addEventListener("open", resolve));

// The second collection frees what the first one finalized.
await call("HeapProfiler.collectGarbage");
await call("HeapProfiler.collectGarbage");
const expression = "(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())";
const { result } = await call("Runtime.evaluate", { expression });
process.stdout.write(JSON.stringify({ bytes: result?.value ?? 0 } satisfies HeapReport));
socket.close();

/** A command of V8's inspector protocol. */
function call(method: string, params = {}): Promise<{ readonly result?: { readonly value: number } }> {
  const id = replies.size;
  return new Promise((resolve) => {
    replies.set(id, (result) => resolve(result ?? {}));
    socket.send(JSON.stringify({ id, method, params }));
  });
}
