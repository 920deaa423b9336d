/** Rules of this repository that the linter does not have, as a plugin of oxlint. */
export default {
  meta: { name: "millrace" },
  rules: {
    /** State lives inside `defer` or a function: a module has no `let`. */
    "no-module-let": {
      create: (context) => ({
        VariableDeclaration(node) {
          const { parent } = node;
          const top = parent.type === "ExportNamedDeclaration" ? parent.parent : parent;
          if (node.kind === "let" && top.type === "Program") {
            context.report({ node, message: "A module has no `let`: keep state inside `defer`." });
          }
        },
      }),
    },

    /** How long something takes is no difference of two dates: somebody may set the clock meanwhile. */
    "no-wall-clock": {
      create: (context) => {
        const report = (node) => {
          context.report({ node, message: "Measure with `monotonicClock()`; moments are the database's." });
        };
        return {
          MemberExpression(node) {
            const { object, property } = node;
            if (property.name === "now" && /^Date$|Scheduler$/u.test(String(object.name))) report(node);
          },
          NewExpression(node) {
            if (node.callee.name === "Date" && node.arguments.length === 0) report(node);
          },
          ImportSpecifier(node) {
            if (node.imported.name === "timestamp" || node.imported.name === "timeInterval") report(node);
          },
        };
      },
    },
  },
};
