/** For tests: the ways in which curl asks over HTTP/1.1, and what must become of each. */
import type { Echo } from "./http-app-fixture.ts";

export interface CurlCase {
  readonly name: string;
  /** The first part of the path: how the application answers. */
  readonly answer: "whole" | "large" | "chunked" | "until-close" | "closing";
  readonly args: readonly string[];
  readonly method: Echo["method"];
  /** Whether the application got what curl read from its input. */
  readonly hasContent: boolean;
  /** What curl saw of the response's head, or of heads before it. */
  readonly saw?: RegExp;
  /** What the application received besides. */
  readonly headers?: Readonly<Record<string, string>>;
}

const CHUNKED = { "transfer-encoding": "chunked" };
const get = (name: string, answer: CurlCase["answer"], args: readonly string[] = []) =>
  ({ name, answer, args, method: "GET", hasContent: false }) as const;
const send = (name: string, method: string, args: readonly string[]) =>
  ({ name, answer: "whole", args, method, hasContent: true }) as const;

/** What is sent comes from curl's standard input. */
export const CURL_CASES: readonly CurlCase[] = [
  get("GET", "whole"),
  get("GET, answered with 1 MB", "large"),
  { ...get("GET, answered in chunks", "chunked"), saw: /^< transfer-encoding: chunked/im },
  // That is between the application and its sidecar: the client's connection stays.
  { ...get("GET, answered with Connection: close", "closing"), saw: /^\* Connection #0 .* left intact/m },
  get("GET, answered until the connection ends", "until-close"),
  { ...get("GET in HTTP/1.0", "whole", ["--http1.0"]), saw: /^< HTTP\/1\.[01] 200 /m },
  get("GET in HTTP/1.0, answered in chunks", "chunked", ["--http1.0"]),
  { ...get("HEAD", "whole", ["--head"]), method: "HEAD" },
  get("GET that offers HTTP/2", "whole", ["--http2"]),
  send("POST of 200 KB", "POST", ["--data-binary", "@-"]),
  send("POST in HTTP/1.0", "POST", ["--http1.0", "--data-binary", "@-"]),
  {
    ...send("POST of 200 KB with Expect: 100-continue", "POST", [
      ...["--header", "Expect: 100-continue", "--expect100-timeout", "8"],
      ...["--data-binary", "@-"],
    ]),
    saw: /^< HTTP\/1\.1 100 Continue/m,
    headers: { expect: "100-continue" },
  },
  {
    ...send("POST in chunks", "POST", ["--header", "Transfer-Encoding: chunked", "--data-binary", "@-"]),
    headers: CHUNKED,
  },
  { ...send("PUT of what has no length", "PUT", ["--upload-file", "-"]), headers: CHUNKED },
];
