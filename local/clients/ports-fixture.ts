/** For tests: the ports of the server's pod. */

export interface Port {
  readonly number: number;
  readonly serves: "http" | "http2" | "grpc-js" | "smtp";
  /** The port's name in its Service, which may declare its protocol; empty: the only port, without a name. */
  readonly name: string;
  /** The Service's name. */
  readonly service: "server" | "lone";
}

export const PORTS = {
  http: { number: 8080, serves: "http", name: "http-web", service: "server" },
  unnamed: { number: 8081, serves: "http", name: "", service: "lone" },
  http2Undeclared: { number: 8083, serves: "http2", name: "two", service: "server" },
  grpc: { number: 8084, serves: "http2", name: "grpc-two", service: "server" },
  http2OnTcp: { number: 8085, serves: "http2", name: "tcp-two", service: "server" },
  grpcJs: { number: 8088, serves: "grpc-js", name: "grpc-js", service: "server" },
  smtpOnTcp: { number: 8086, serves: "smtp", name: "tcp-mail", service: "server" },
  smtpUndeclared: { number: 8087, serves: "smtp", name: "mail", service: "server" },
} as const satisfies Readonly<Record<string, Port>>;

/** The URL host and port that the client's pod uses. */
export function originOf({ service, number }: Port, scheme = "http"): string {
  return `${scheme}://${service}.ns2:${number}`;
}
