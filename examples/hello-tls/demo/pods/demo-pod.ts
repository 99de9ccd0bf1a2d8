/** A pod of the running mesh, and what can be done in it. */
export interface DemoPod {
  /** `hello`, `world`, …: what the report calls it. */
  readonly label: string;
  readonly name: string;
  readonly namespace: string;
  readonly ip: string;
  /** The end of its link that lies outside of its network namespace. */
  readonly hostInterface: string;
  /** Runs a command in the pod's network, as an operator would with `kubectl exec`. */
  exec(command: readonly string[], options?: { readonly signal?: AbortSignal }): Promise<CommandResult>;
  /** What its proxy has logged so far; empty where it has none. */
  proxyLog(): Promise<string>;
  /** Of its containers. They change if one is started again. */
  processIds(): readonly (number | undefined)[];
}

export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The seconds after which curl gives up. Only a fault lets it wait, or a very busy machine. */
const CURL_TIMEOUT_S = 20;

export interface CurlResult extends CommandResult {
  /** The body came whole; curl's own verdict, not the HTTP status. */
  readonly isAnswered: boolean;
}

/** Fetches a URL from inside the pod with curl, on a connection of its own. */
export async function curlInPod(
  pod: DemoPod,
  url: string,
  headers: readonly string[] = [],
  options: readonly string[] = [],
): Promise<CurlResult> {
  const flags = ["--silent", "--show-error", "--max-time", String(CURL_TIMEOUT_S), ...options];
  const result = await pod.exec(["curl", ...flags, ...headers.flatMap((header) => ["--header", header]), url]);
  return { ...result, isAnswered: result.status === 0 };
}

/** `STATUS BODY` of a request from inside the pod, or why there is no response. */
export async function askInPod(pod: DemoPod, url: string, method = "GET"): Promise<string> {
  const result = await curlInPod(pod, url, [], ["--request", method, "--write-out", "\n%{http_code}"]);
  if (!result.isAnswered) return describeCurl(result);
  const [body = "", status = ""] = result.stdout.split(/\n(?=\d{3}$)/);
  return `${status} ${body.trim()}`;
}

/** curl's outcome in a few words. */
export function describeCurl(result: CurlResult): string {
  if (result.isAnswered) return `answered: ${JSON.stringify(result.stdout.trim().slice(0, 80))}`;
  return result.stderr.trim().split("\n").at(-1) ?? `curl ended with status ${result.status}`;
}
