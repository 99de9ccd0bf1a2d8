/** For tests: Node's WebSocket in the client's pod. Sends each message and waits for its echo. */
export interface WebSocketJob {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The length of each message in characters. */
  readonly messages: readonly number[];
}

export interface WebSocketReport {
  readonly saidBack: readonly boolean[];
  readonly isClean: boolean;
  readonly code: number;
}

const job: WebSocketJob = JSON.parse(process.argv[2] ?? "{}");
const socket = new WebSocket(job.url, { headers: { ...job.headers } });
const saidBack: boolean[] = [];
const next = (): void => {
  const length = job.messages[saidBack.length];
  if (length === undefined) socket.close(1000, "well");
  else socket.send("é".repeat(length));
};
socket.addEventListener("open", next);
socket.addEventListener("message", ({ data }) => {
  saidBack.push(data === "é".repeat(job.messages[saidBack.length] ?? 0));
  next();
});
socket.addEventListener("close", ({ wasClean, code }) => {
  process.stdout.write(JSON.stringify({ saidBack, isClean: wasClean, code } satisfies WebSocketReport));
});
