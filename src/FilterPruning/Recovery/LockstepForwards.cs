using System.Runtime.ExceptionServices;
using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>
/// Runs the forwards of all calibration inputs side by side, each on a thread of its own of which one runs at a time: a forward waits in front of a layer until that layer has been fitted
/// on what all of them bring there, and then goes on. So fitting every layer on the repaired layers before it costs one forward for each input, not one for each input and layer.
/// </summary>
/// <remarks>A waiting forward keeps its intermediate tensors alive. Layers' hooks call <see cref="Wait"/>.</remarks>
internal sealed class LockstepForwards : IDisposable
{
    private readonly IReadOnlyList<Runner> _runners;
    private Runner? _current;

    public LockstepForwards(IReadOnlyList<Action> forwards)
    {
        _runners = [.. forwards.Select((forward, input) => new Runner(forward, input))];
    }

    /// <summary>The input whose forward is running.</summary>
    public int Input => _current!.Input;

    /// <summary>The layers that forwards wait in front of, by input; finished forwards are not in it.</summary>
    public IEnumerable<(int Input, TracedLayer Layer)> Waiting => _runners.Where(runner => runner.Layer is not null).Select(runner => (runner.Input, runner.Layer!));

    /// <summary>Called by a hook, on the thread of a forward: stays until the layer is released.</summary>
    public void Wait(TracedLayer layer) => _current!.Wait(layer);

    /// <summary>Ends the running forward from within a hook.</summary>
    public static void Leave() => throw new ForwardLeftException();

    /// <summary>Lets the forwards of some inputs run, one after the other, until they wait or end.</summary>
    public void Start(Func<int, bool> which, CancellationToken cancellation) => Advance(runner => which(runner.Input), cancellation);

    /// <summary>Lets those that wait for a layer go on, one after the other.</summary>
    public void Release(TracedLayer layer, CancellationToken cancellation) => Advance(runner => ReferenceEquals(runner.Layer, layer), cancellation);

    /// <summary>Ends all forwards.</summary>
    public void Dispose()
    {
        foreach (var runner in _runners)
        {
            _current = runner;
            runner.Dispose();
        }
    }

    private void Advance(Func<Runner, bool> which, CancellationToken cancellation)
    {
        foreach (var runner in _runners.Where(which).ToList())
        {
            cancellation.ThrowIfCancellationRequested();
            _current = runner;
            runner.Go();
        }
    }

    private sealed class ForwardLeftException : Exception;

    /// <summary>One forward on its thread. The thread and its owner hand the turn to each other; they never run at the same time.</summary>
    private sealed class Runner : IDisposable
    {
        private readonly Action _forward;
        private readonly Thread _thread;
        private readonly SemaphoreSlim _go = new(0);
        private readonly SemaphoreSlim _back = new(0);
        private bool _leave;
        private bool _done;
        private ExceptionDispatchInfo? _error;

        public Runner(Action forward, int input)
        {
            _forward = forward;
            Input = input;
            _thread = new Thread(Run) { IsBackground = true, Name = $"calibration forward {input}" };
        }

        public int Input { get; }

        public TracedLayer? Layer { get; private set; }

        /// <summary>Runs the forward on until it waits or ends.</summary>
        public void Go()
        {
            if (_done)
                return;
            if (!_thread.ThreadState.HasFlag(ThreadState.Unstarted))
                _go.Release();
            else
                _thread.Start();
            _back.Wait();
            _error?.Throw();
        }

        public void Wait(TracedLayer layer)
        {
            Layer = layer;
            _back.Release();
            _go.Wait();
            Layer = null;
            if (_leave)
                throw new ForwardLeftException();
        }

        public void Dispose()
        {
            if (!_thread.ThreadState.HasFlag(ThreadState.Unstarted))
            {
                if (!_done)
                {
                    _leave = true;
                    _go.Release();
                    _back.Wait();
                }

                _thread.Join();
            }

            _go.Dispose();
            _back.Dispose();
        }

        private void Run()
        {
            try
            {
                using var noGrad = no_grad();
                using var scope = NewDisposeScope();
                _forward();
            }
            catch (ForwardLeftException)
            {
                // Nothing more is wanted of it.
            }
            catch (Exception error)
            {
                _error = ExceptionDispatchInfo.Capture(error);
            }
            finally
            {
                _done = true;
                Layer = null;
                _back.Release();
            }
        }
    }
}
