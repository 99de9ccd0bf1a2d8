import { MeshError } from "../mesh/mesh-error.ts";

/** An invalid command line: printed with the command's forms, exit status 2. */
export class UsageError extends MeshError<"usage"> {
  constructor(message: string) {
    super("usage", message);
  }
}
