/** The version in metrics and `--version`. A test checks that package.json has the same one. */
export const VERSION = "0.1.0";
