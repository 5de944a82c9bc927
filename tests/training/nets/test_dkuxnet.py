"""DKUXNet classifies voxels through their clusters."""

import pytest
import torch

from guidednet_training.core.spec import NetSpec
from guidednet_training.nets import build_net
from guidednet_training.nets.dkuxnet import DKUXNet, class_votes

SMALL = NetSpec(name="dkuxnet", width=4, queries=8)


def test_published_size() -> None:
    with torch.device("meta"):
        net = DKUXNet(NetSpec(name="dkuxnet", width=48), 2)
    assert net.queries.centres.shape == (256, 128)
    assert len(net.queries.layers) == 6
    assert net.classifier[2].out_features == 128 * 2
    trunk = sum(p.numel() for p in net.trunk.parameters())
    refine_and_classifier = 2 * 27 * 48 * 48 + 48 * 14 + 14
    assert trunk == 53_006_510 - refine_and_classifier


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_shapes(stride: int) -> None:
    net = build_net(SMALL.model_copy(update={"query_stride": stride}), 3)
    out = net(torch.randn(1, 1, 32, 48, 32))
    assert out.logits.shape == (1, 3, 32, 48, 32)
    assert out.features.shape == (1, 4, 32, 48, 32)
    assert out.assignments[-1].shape == (1, 8, 32 // stride, 48 // stride, 32 // stride)
    assert [x.shape[1] for x in out.stages] == list(net.stage_channels)


def test_clusters_that_are_all_alike_say_the_same_everywhere() -> None:
    share = torch.randn(1, 8, 4, 4, 4).softmax(1)
    votes = class_votes(torch.tensor([0.3, -2.0, 1.0]).expand(1, 8, 3), share)
    wanted = torch.tensor([0.3, -2.0, 1.0])[None, :, None, None, None].expand_as(votes)
    torch.testing.assert_close(votes, wanted)


def test_votes_are_the_scores_of_the_own_cluster() -> None:
    share = torch.zeros(1, 2, 1, 1, 2)
    share[0, 0, 0, 0, 0] = share[0, 1, 0, 0, 1] = 1
    votes = class_votes(torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]), share)
    assert votes[0, :, 0, 0].T.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_parts_used_apart_give_the_whole() -> None:
    net = build_net(SMALL.model_copy(update={"query_stride": 2}), 3).eval()
    image = torch.randn(1, 1, 32, 32, 32)
    torch.testing.assert_close(net.head(net.decode(net.encode(image))[-1]), net(image).logits)


def test_weights_learn_once_the_gates_are_open() -> None:
    net = build_net(SMALL, 3)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm1d) and not module.weight.any():
            torch.nn.init.constant_(module.weight, 0.1)  # updates of the centres start at 0
    net(torch.randn(2, 1, 32, 32, 32)).logits.square().mean().backward()
    untaught = {id(p) for layer in net.queries.layers for p in layer.predictor.parameters()}
    for name, parameter in net.named_parameters():
        if id(parameter) not in untaught and parameter.ndim > 1:
            assert parameter.grad.any(), name
