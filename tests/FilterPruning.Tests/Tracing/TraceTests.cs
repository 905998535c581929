using FilterPruning.Graph;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Tests.Tracing;

public class TraceTests
{
    private static DependencyGraph Trace(nn.Module<Tensor, Tensor> net, int size = 16)
    {
        using var generator = new Generator(7);
        using var x = randn(2, 3, size, size, generator: generator);
        return DependencyGraph.Trace(net, x);
    }

    [Fact]
    public void A_chain_ties_filters_norms_and_the_next_inputs_and_pins_its_ends()
    {
        using var net = Nets.Chain();
        var graph = Trace(net);
        Assert.Equal(["8 x first.out norm.out last.in"], GroupText.Prunable(graph));
        Assert.Equal(["3 x first.in (ModelInput)", "5 x last.out (ModelOutput)"], GroupText.Pinned(graph));
    }

    [Fact]
    public void A_residual_add_ties_both_producers()
    {
        using var net = Nets.Residual();
        Assert.Equal(["8 x first.out inner.in inner.out norm.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_concatenation_keeps_its_parts_apart()
    {
        using var net = Nets.Concat();
        Assert.Equal(["4 x left.out last.in*2", "6 x right.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void Flatten_gives_a_channel_its_49_features()
    {
        using var net = Nets.Flatten();
        Assert.Equal(["6 x conv.out fc.in*49", "9 x fc.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_squeeze_excite_gate_is_tied_to_what_it_gates()
    {
        using var net = Nets.SqueezeExcite();
        Assert.Equal(["4 x squeeze.out expand.in", "8 x first.out squeeze.in expand.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_head_shared_by_two_levels_ties_both_producers()
    {
        using var net = Nets.SharedHead();
        Assert.Equal(
            ["10 x down.out lateral2.in", "6 x lateral1.out lateral2.out head.in", "7 x head.out predict.in", "8 x body.out lateral1.in down.in"],
            GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_depthwise_convolution_is_one_unit_a_channel()
    {
        using var net = Nets.Depthwise();
        Assert.Equal(["8 x first.out depthwise.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_grouped_convolution_ties_equal_places_of_its_blocks()
    {
        using var net = Nets.Grouped();
        Assert.Equal(["2 x grouped.out*4 last.in*4", "3 x first.out*4 grouped.in*4"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_shuffle_ties_equal_places_of_its_blocks()
    {
        using var net = Nets.Shuffle();
        Assert.Equal(["4 x first.out*2 last.in*2"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_shuffle_of_two_layers_ties_them_place_by_place()
    {
        using var net = Nets.ShuffleOfTwo();
        Assert.Equal(["6 x left.out right.out last.in*2"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void Halves_that_are_swapped_are_tied_place_by_place()
    {
        using var net = Nets.SwappedHalves();
        Assert.Equal(["4 x first.out*2 last.in*2"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_slice_at_a_computed_third_ties_the_thirds()
    {
        using var net = Nets.Slice(writtenDown: false);
        Assert.Equal(["4 x first.out*3 head.in tail.in*2"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_slice_at_a_written_number_keeps_its_channels()
    {
        using var net = Nets.Slice(writtenDown: true);
        var graph = Trace(net);
        Assert.Empty(GroupText.Prunable(graph));
        Assert.Contains("4 x first.out*3 head.in tail.in*2 (FixedByCode)", GroupText.Pinned(graph));
    }

    [Fact]
    public void A_view_with_a_written_width_keeps_the_channels_it_counts_and_frees_the_others()
    {
        using var net = Nets.LiteralView();
        var graph = Trace(net);
        Assert.Equal(["9 x fc.out last.in"], GroupText.Prunable(graph));
        Assert.Contains("6 x conv.out fc.in*25 (FixedByCode)", GroupText.Pinned(graph));
    }

    [Fact]
    public void Flatten_with_channels_last_is_seen_as_well()
    {
        using var net = Nets.ChannelsLastFlatten();
        Assert.Equal(["6 x conv.out last.in*4"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_layer_called_twice_is_tied_to_itself()
    {
        using var net = Nets.CalledTwice();
        var graph = Trace(net);
        Assert.Equal(["8 x first.out twice.in twice.out last.in"], GroupText.Prunable(graph));
        Assert.Equal(2, graph.Layers.Single(layer => layer.Name == "twice").Calls.Count);
    }

    [Fact]
    public void A_broadcast_shift_is_tied_to_what_it_shifts()
    {
        using var net = Nets.BroadcastAdd();
        Assert.Equal(["6 x code.out shift.in", "8 x shift.out first.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void One_gate_for_all_channels_stays_and_leaves_them_free()
    {
        using var net = Nets.SpatialGate();
        var graph = Trace(net);
        Assert.Equal(["8 x first.out gate.in last.in"], GroupText.Prunable(graph));
        Assert.Contains("1 x gate.out (Mixed)", GroupText.Pinned(graph));
    }

    [Fact]
    public void In_place_code_is_traced_like_any_other()
    {
        using var net = Nets.InPlace();
        Assert.Equal(["8 x first.out inner.in inner.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_layer_that_only_feeds_an_argmax_stays()
    {
        using var net = Nets.Argmax();
        var graph = Trace(net);
        Assert.Equal(["8 x first.out last.in"], GroupText.Prunable(graph));
        Assert.Contains("5 x last.out (FeedsNothingTraceable)", GroupText.Pinned(graph));
    }

    [Fact]
    public void A_forward_under_no_grad_is_traced_all_the_same()
    {
        using var net = Nets.NoGrad();
        Assert.Equal(["8 x first.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void Attention_heads_go_as_a_whole()
    {
        using var net = Nets.Attention();
        Assert.Equal(["10 x embed.out q.in k.in v.in", "4 x q.out*4 k.out*4 v.out*4 project.in*4"], GroupText.Prunable(Trace(net, 4)));
    }

    [Fact]
    public void A_softmax_over_channels_pins_them_as_mixed()
    {
        using var net = Nets.SoftmaxOverChannels();
        var graph = Trace(net);
        Assert.Empty(GroupText.Prunable(graph));
        Assert.Contains("8 x first.out (Mixed)", GroupText.Pinned(graph));
    }

    [Fact]
    public void Channels_that_no_trial_lights_stay()
    {
        using var net = Nets.Dark();
        var graph = Trace(net);
        Assert.Contains("8 x first.out (FeedsNothingTraceable)", GroupText.Pinned(graph));
        // What it is added to cannot shrink without it, and rehearsal finds that out.
        Assert.Contains("8 x side.out last.in (FixedByCode)", GroupText.Pinned(graph));
    }

    [Fact]
    public void One_dark_channel_is_not_taken_for_a_slice()
    {
        using var net = Nets.OneDarkChannel();
        using var x = randn(2, 3, 8, 8);
        var graph = DependencyGraph.Trace(net, x, new TraceOptions { MaximumTrials = 2 });
        Assert.Contains("1 x first.out (NotObserved)", GroupText.Pinned(graph));
        Assert.Contains("1 x last.in (NotObserved)", GroupText.Pinned(graph));
        // The mask of eight factors is the code's own: it counts the channels, and rehearsal sees it.
        Assert.Contains("7 x first.out last.in (FixedByCode)", GroupText.Pinned(graph));
    }

    [Fact]
    public void A_layer_norm_goes_channel_by_channel()
    {
        using var net = Nets.LayerNormBetween();
        Assert.Equal(["8 x first.out norm.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_layer_called_through_forward_is_named()
    {
        using var net = Nets.Bypassed();
        var error = Assert.Throws<PruningException>(() => Trace(net));
        Assert.Contains("'inner'", error.Message, StringComparison.Ordinal);
        Assert.Contains(".call", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_forward_in_inference_mode_is_refused()
    {
        using var net = new Net(
            (n, x) =>
            {
                using var guard = inference_mode();
                return n.Call("last", n.Call("first", x));
            },
            ("first", Nets.Conv(3, 8)), ("last", Nets.Conv(8, 5)));
        Assert.Contains("no_grad", Assert.Throws<PruningException>(() => Trace(net)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Code_without_a_derivative_keeps_what_it_connects()
    {
        using var net = new Net(
            (n, x) =>
            {
                var y = sigmoid(n.Call("first", x));
                // Autograd needs the value that this overwrites.
                var z = (y * y).add(sigmoid(y).mul_(2));
                y.mul_(3);
                return n.Call("last", F.relu(n.Call("inner", z)));
            },
            ("first", Nets.Conv(3, 8)), ("inner", Nets.Conv(8, 6)), ("last", Nets.Conv(6, 5)));
        var graph = Trace(net);
        Assert.Equal(["6 x inner.out last.in"], GroupText.Prunable(graph));
        Assert.Contains("8 x first.out (FeedsNothingTraceable)", GroupText.Pinned(graph));
        Assert.Contains(graph.Groups, group => group.Pin?.Evidence.Contains("in place", StringComparison.Ordinal) == true);
    }

    [Fact]
    public void Layers_that_share_a_weight_keep_their_channels()
    {
        var shared = Nets.Conv(8, 8);
        var twin = Nets.Conv(8, 8);
        twin.weight = shared.weight!;
        using var net = new Net(
            (n, x) => n.Call("last", F.relu(n.Call("twin", F.relu(n.Call("shared", F.relu(n.Call("first", x))))))),
            ("first", Nets.Conv(3, 8)), ("shared", shared), ("twin", twin), ("last", Nets.Conv(8, 5)));
        var graph = Trace(net);
        Assert.Empty(GroupText.Prunable(graph));
        Assert.Contains(graph.Groups, group => group.Pin?.Evidence.Contains("same tensor", StringComparison.Ordinal) == true);
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.BFloat16)]
    public void Other_precisions_give_the_same_groups(ScalarType type)
    {
        using var net = Nets.SqueezeExcite();
        net.to(type);
        using var x = rand([2, 3, 8, 8], generator: new Generator(7)).to(type);
        Assert.Equal(["4 x squeeze.out expand.in", "8 x first.out squeeze.in expand.out last.in"], GroupText.Prunable(DependencyGraph.Trace(net, x)));
    }

    [Fact]
    public void A_thousand_channels_are_told_apart()
    {
        using var net = Nets.Wide(1000);
        Assert.Equal(["1000 x first.out inner.in", "1000 x inner.out norm.out skip.out last.in"], GroupText.Prunable(Trace(net, 4)));
    }

    [Fact]
    public void Nested_modules_keep_their_paths()
    {
        using var net = Nets.Nested();
        Assert.Equal(["6 x body.a.conv.out body.a.norm.out body.b.in", "8 x stem.conv.out body.a.conv.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void Shuffled_units_tie_their_stream_and_leave_the_branches_free()
    {
        using var net = Nets.ShuffleUnits();
        Assert.Equal(
            ["12 x in1.out depth1.out out1.in", "12 x in2.out depth2.out out2.in", "4 x first.out*4 in1.in*2 out1.out*2 in2.in*2 out2.out*2 last.in*4"],
            GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void Dense_connections_keep_what_each_layer_adds()
    {
        using var net = Nets.Dense();
        Assert.Equal(
            ["4 x grow1.out grow2.in norm.out last.in", "4 x grow2.out norm.out last.in", "8 x first.out grow1.in grow2.in norm.out last.in"],
            GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_mobile_block_has_an_outer_an_inner_and_a_gate_width()
    {
        using var net = Nets.Mobile();
        Assert.Equal(
            [
                "24 x expand.out norm2.out depthwise.out norm3.out gate1.in gate2.out project.in",
                "6 x gate1.out gate2.in",
                "8 x first.out norm1.out expand.in project.out norm4.out last.in",
            ],
            GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void An_encoder_with_a_skip_is_tied_side_by_side()
    {
        using var net = Nets.Encoder();
        Assert.Equal(["10 x down2.out up.in", "6 x down1.out down2.in last.in", "6 x up.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void Pixel_shuffle_ties_the_four_that_make_one()
    {
        using var net = Nets.SubPixel();
        Assert.Equal(["4 x first.out*4 last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_group_norm_loses_whole_groups()
    {
        using var net = Nets.GroupNormed();
        Assert.Equal(["4 x first.out*2 norm.out*2 middle.in*2", "6 x middle.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void An_order_that_is_written_down_keeps_its_channels()
    {
        using var net = Nets.Permuted();
        var graph = Trace(net);
        Assert.Equal(["6 x inner.out last.in"], GroupText.Prunable(graph));
        Assert.Contains("10 x first.out inner.in (FixedByCode)", GroupText.Pinned(graph));
    }

    [Fact]
    public void A_grouped_transposed_convolution_ties_equal_places_of_its_blocks()
    {
        using var net = Nets.GroupedTranspose();
        Assert.Equal(["4 x grouped.out*2 last.in*2", "6 x first.out*2 grouped.in*2"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_weight_outside_all_layers_goes_with_the_channels_it_has_a_value_for()
    {
        using var net = Nets.Scaled();
        Assert.Equal(["6 x inner.out last.in", "8 x first.out inner.in scale.out"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void Other_dimensions_and_channel_wise_layers_work_alike()
    {
        using var one = Nets.OneDimensional();
        using var three = Nets.ThreeDimensional();
        using var slopes = Nets.Slopes();
        Assert.Equal(["8 x first.out norm.out last.in"], GroupText.Prunable(Trace(one)));
        Assert.Equal(["8 x first.out norm.out last.in"], GroupText.Prunable(Trace(three)));
        Assert.Equal(["8 x first.out norm.out slope.out last.in"], GroupText.Prunable(Trace(slopes)));
    }

    [Fact]
    public void What_is_returned_stays_even_if_it_is_used_further()
    {
        using var net = Nets.Chain();
        using var x = randn(2, 3, 8, 8);
        var graph = DependencyGraph.Trace(net, n =>
        {
            var middle = n.Call("norm", n.Call("first", x));
            return new Dictionary<string, object> { ["middle"] = middle, ["answers"] = new[] { (1, n.Call("last", middle)) } };
        });
        Assert.Empty(GroupText.Prunable(graph));
        Assert.Equal(["3 x first.in (ModelInput)", "5 x last.out (ModelOutput)", "8 x first.out norm.out last.in (ModelOutput)"], GroupText.Pinned(graph));
    }

    [Fact]
    public void An_input_that_joins_the_features_pins_the_channels_it_joins()
    {
        using var net = new Net((n, x) => n.Call("last", cat([x, F.relu(n.Call("first", x))], 1)), ("first", Nets.Conv(3, 8)), ("last", Nets.Conv(11, 5)));
        var graph = Trace(net);
        Assert.Equal(["8 x first.out last.in"], GroupText.Prunable(graph));
        Assert.Equal(["3 x first.in (ModelInput)", "3 x last.in (ModelInput)", "5 x last.out (ModelOutput)"], GroupText.Pinned(graph));
    }

    [Fact]
    public void The_same_seed_gives_the_same_graph()
    {
        using var net = Nets.SqueezeExcite();
        var (first, second) = (Trace(net), Trace(net));
        Assert.Equal(first.Groups.SelectMany(group => group.Members), second.Groups.SelectMany(group => group.Members));
        Assert.Equal(first.Groups.Select(group => group.Pin), second.Groups.Select(group => group.Pin));
    }

    [Fact]
    public void A_model_without_layers_is_refused()
    {
        using var net = new Net((_, x) => x * 2);
        Assert.Throws<PruningException>(() => Trace(net));
    }

    [Fact]
    public void Members_and_group_indices_agree()
    {
        using var net = Nets.Grouped();
        var graph = Trace(net);
        foreach (var layer in graph.Layers)
        {
            for (var channel = 0; channel < layer.OutputChannels; channel++)
                Assert.Contains(new ChannelMember(layer.Name, ChannelAxis.Output, channel), graph.Groups[layer.OutputGroups[channel]].Members);
            for (var channel = 0; channel < layer.InputChannels; channel++)
                Assert.Contains(new ChannelMember(layer.Name, ChannelAxis.Input, channel), graph.Groups[layer.InputGroups[channel]].Members);
            Assert.Equal(layer.OutputGroups.Any(group => graph.Groups[group].Pin is null), layer.IsPrunable);
        }
        Assert.Equal(graph.Groups.Select((_, i) => i), graph.Groups.Select(group => group.Index));
    }
}
