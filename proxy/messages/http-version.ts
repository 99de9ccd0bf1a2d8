/** The version of a message as it came. */
export type HttpVersion = "1.0" | "1.1" | "2";

/**
 * The codec of a connection. A second codec becomes a member here: the compiler then names every place that has to
 * choose between them (`connectUpstream`, `serveClient`).
 */
export type HttpProtocol = "http1";
