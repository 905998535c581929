using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;

namespace FilterPruning.Detection.Tests.Training;

public class TrainingRecipesTests
{
    [Fact]
    public void The_sample_recipe_makes_a_model_worth_pruning_whose_file_stays_small()
    {
        using var model = TrainingRecipes.ShapeScenes.CreateModel();
        long parameters = model.parameters().Sum(p => p.numel());

        Assert.InRange(parameters, 4_000_000, 7_000_000);
        Assert.True(4 * parameters < 30_000_000);
        Assert.Equal(ShapeScenes.Create(1, 0).ClassNames.Count + 1, model.NumClasses);
        Assert.Contains(model.modules(), m => m is TorchSharp.Modules.BatchNorm2d);
    }

    [Fact]
    public void Every_recipe_is_valid_and_found_by_its_name()
    {
        foreach (var recipe in TrainingRecipes.All)
        {
            recipe.Training.Validate();
            Assert.Same(recipe, TrainingRecipes.Find(recipe.Name));
            Assert.Contains(recipe.Architecture, MaskRcnn.Names);
        }
        Assert.Contains("pennfudan", Assert.Throws<ArgumentException>(() => TrainingRecipes.Find("imagenet")).Message);
    }

    [Theory]
    [InlineData(18, 100)]
    [InlineData(400, 10)]
    [InlineData(5000, 8)]
    public void A_users_data_set_gets_its_classes_and_a_sensible_length(int images, int epochs)
    {
        var recipe = TrainingRecipes.ForDataset(ShapeScenes.Create(images, 0));

        Assert.Equal(6, recipe.NumClasses);
        Assert.Equal(epochs, recipe.Training.Epochs);
        Assert.Equal(3, TrainingRecipes.ForDataset(ShapeScenes.Create(images, 0), epochs: 3).Training.Epochs);
        recipe.Training.Validate();
    }
}
