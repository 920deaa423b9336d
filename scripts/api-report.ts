import { fileURLToPath } from "node:url";
import { Extractor, ExtractorConfig, ExtractorLogLevel } from "@microsoft/api-extractor";

/**
 * Compares what the public entries export with their reports in `docs/`, and fails where they differ.
 * With `--update` it writes the reports. The types are those that `npm run build` left in `dist/`.
 */

const ENTRIES = [
  { types: "dist/index.d.ts", report: "api.api.md" },
  { types: "dist/stages.d.ts", report: "api-stages.api.md" },
  { types: "dist/testing/index.d.ts", report: "api-testing.api.md" },
  { types: "dist/embedded/index.d.ts", report: "api-embedded.api.md" },
];

const update = process.argv.includes("--update");
const root = fileURLToPath(new URL("..", import.meta.url));
const file = `${root}api-extractor.json`;

for (const { types, report } of ENTRIES) {
  const config = ExtractorConfig.loadFile(file);
  const configObject = {
    ...config,
    mainEntryPointFilePath: root + types,
    apiReport: { enabled: true, ...config.apiReport, reportFileName: report },
  };
  const prepared = ExtractorConfig.prepare({
    configObject,
    configObjectFullPath: file,
    packageJsonFullPath: `${root}package.json`,
  });
  const result = Extractor.invoke(prepared, {
    localBuild: update,
    messageCallback: (message) => {
      // The compiler that reads the types need not be the one that wrote them, and the name of an
      // error is its class's.
      const known =
        message.messageId.startsWith("console-") || message.text === 'Missing documentation for "name".';
      if (known) message.logLevel = ExtractorLogLevel.None;
    },
  });
  const differs = result.apiReportChanged && !update;
  if (differs) console.error(`docs/${report} differs from ${types}: run \`npm run api\`, read what changed.`);
  if (differs || !result.succeeded) process.exitCode = 1;
}
