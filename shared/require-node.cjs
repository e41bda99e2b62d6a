// Loaded before everything else (node -r), in words that every Node understands: an older one would only say
// ERR_UNKNOWN_FILE_EXTENSION.
const wanted = 24;
if (Number(process.versions.node.split(".")[0]) < wanted) {
  process.stderr.write(
    `Holdfast needs Node.js ${wanted} or newer, and this is ${process.versions.node}. On Linux and Windows "npm ci" brings it along ` +
      "and the npm scripts use it; otherwise install it from https://nodejs.org.\n",
  );
  process.exit(1);
}
