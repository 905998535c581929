#:project ../src/FilterPruning.Detection/FilterPruning.Detection.csproj
#:package TorchSharp-cpu
#:package SkiaSharp.NativeAssets.Linux.NoDependencies

// Prunes the sample detector by 40 %, repairs it from 16 unlabelled scenes, and saves the result.
// Run it with: dotnet run samples/quickstart.cs

using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Surgery;

var here = AppContext.GetData("EntryPointFileDirectoryPath") as string ?? "samples";
var (model, description) = DetectorFile.Load(Path.Combine(here, "checkpoints", "shapescenes.safetensors"));
var test = ShapeScenes.Create(count: 20, seed: 1_000_000);
Console.WriteLine($"dense:    mask AP50 {DetectionEvaluator.Evaluate(model, test).Mask.AP50:0.000}");

// 1. Trace: which channels belong together, which must stay.
var image = test.Load(0).Image;
var graph = DependencyGraph.Trace(model, detector => detector.Detect([image]));
Console.WriteLine(graph.Explain("roi_heads.box_predictor.cls_score"));

// 2. Plan: pure data, nothing has changed yet.
var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.4 });
Console.WriteLine($"plan:     {plan.Before.Parameters:N0} -> {plan.Predicted.Parameters:N0} parameters");

// 3. Repair, without labels: refit what reads the removed channels.
var scenes = ShapeScenes.Create(count: 16, seed: 2_000_000);
var images = Enumerable.Range(0, scenes.Count).Select(index => scenes.Load(index).Image).ToArray();
var calibration = new CalibrationForward();
LeastSquaresRepair.Apply(model, graph, plan, images, (detector, scene) => calibration.Run(detector, scene));

// 4. Cut, in place, all or nothing, and proved.
using var cut = Surgeon.Apply(graph, plan);
Console.WriteLine($"proof:    differs from its masked self by {cut.ProofError:0.0e+0}");
Console.WriteLine($"repaired: mask AP50 {DetectionEvaluator.Evaluate(model, test).Mask.AP50:0.000}");

DetectorFile.SavePruned(model, plan, description, "pruned.safetensors");
Console.WriteLine("saved:    pruned.safetensors");
