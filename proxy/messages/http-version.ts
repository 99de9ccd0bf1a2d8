/** The version of a message as it came. */
export type HttpVersion = "1.0" | "1.1" | "2";

/** The codec of a connection. */
export type HttpProtocol = "http1" | "http2";
